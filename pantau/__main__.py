"""`pantau VERB …`: what people type. Problems are one clear line, not a traceback."""

import sys

from pantau.extras import extra_of
from settings import EXIT_CONFIG, ConfigError
from wire.errors import PantauError


def main() -> int:
    """Run the verb on the command line; the exit code."""
    try:
        from pantau.app import app  # typer is an extra itself

        app()
    except ModuleNotFoundError as error:
        extra = extra_of(error)
        if extra is None:
            raise
        sys.stderr.write(f"{error.name} is not installed here: pip install 'pantau[{extra}]'\n")
        return 1
    except PantauError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_CONFIG if isinstance(error, ConfigError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
