"""`python -m bench.hurried_node health|verdicts SECONDS --config F`: a camera node that says often what it says seldom.

The real process; only the interval is another, so that some minutes hold several of what a day holds a few of.
"""

from __future__ import annotations

import sys

from edge import health
from edge.camera_node import node
from edge.camera_node.__main__ import main as run


def main(argv: list[str]) -> int:
    """Run the node; its exit code."""
    what, seconds, *words = argv
    if what == "health":
        vars(health)["IDLE_S"] = float(seconds)
    else:
        vars(node)["SAID_AGAIN_S"] = float(seconds)
        vars(health)["BESIDE_REPORT_S"] = health.IDLE_S  # it would come beside the verdicts, which are counted apart
    return run(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
