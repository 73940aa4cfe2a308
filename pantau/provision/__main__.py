"""`pantau-provision`: which verbs there are. Problems are one clear line, not a traceback."""

from __future__ import annotations

import logging
import sys

from settings import EXIT_CONFIG, ConfigError
from wire.errors import PantauError


def main() -> int:
    """Run the verb on the command line; the exit code."""
    try:
        from pantau.provision.app import app
    except ModuleNotFoundError as error:
        from pantau.extras import extra_of

        extra = extra_of(error)
        if extra is None:
            raise
        sys.stderr.write(f"{error.name} is not installed here: pip install 'pantau[{extra},cli]'\n")
        return 1
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        app()
    except PantauError as error:
        sys.stderr.write(f"pantau-provision: {error}\n")
        return EXIT_CONFIG if isinstance(error, ConfigError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
