"""`python -m settings edge.config:UnitConfig` prints the Markdown of a schema (docs/config.md holds it)."""

import sys
from importlib import import_module

from settings.describe import describe


def main() -> int:
    """Print the tables of the schema named on the command line as module:Class."""
    module, colon, name = sys.argv[-1].partition(":")
    if len(sys.argv) != 2 or not colon:
        sys.stderr.write("usage: python -m settings MODULE:CLASS    (such as edge.config:UnitConfig)\n")
        return 2
    sys.stdout.write(describe(getattr(import_module(module), name)) + "\n")
    return 0


sys.exit(main())
