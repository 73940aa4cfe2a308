"""`python -m bench.timed_node RESULT --config F`: a camera node that knows at its end what its looks have cost.

The real process; decoding, scaling and judging are timed where they are called, in the CPU time of their thread. At
its end it writes into the file RESULT, as JSON: looks, decoded_ms, scaled_ms, judged_ms (each a look), process_ms (a
look, everything that the process does), and how it ended.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from edge.camera_node import eye
from edge.camera_node.__main__ import main as node
from edge.camera_node.camera import Stream, picture
from edge.camera_node.verdict import Judge

WARM_LOOKS: Final = 16  # two of each of eight cameras: imports' and the first pictures' costs are not a look's


class Costs:
    """What was called how often, and for how many CPU seconds; the process's at the first warm look and the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spent_s: dict[str, float] = defaultdict(float)
        self._calls: Counter[str] = Counter()
        self._warm_s = self._last_s = 0.0

    def timed(self, name: str, does: Callable[..., Any]) -> Callable[..., Any]:
        """`does`, timed from now on."""

        def call(*words: Any, **named: Any) -> Any:
            from_s = time.thread_time()
            try:
                return does(*words, **named)
            finally:
                self._count(name, time.thread_time() - from_s)

        return call

    def told(self) -> dict[str, float]:
        """The figures; raises ValueError when there were too few looks to say anything."""
        looks = self._calls["judged"] - WARM_LOOKS
        if looks <= 0:
            raise ValueError(f"{self._calls['judged']} looks are too few")
        each = {f"{name}_ms": 1000 * self._spent_s[name] / self._calls[name] for name in sorted(self._calls)}
        return {"looks": looks, **each, "process_ms": 1000 * (self._last_s - self._warm_s) / looks}

    def _count(self, name: str, spent_s: float) -> None:
        with self._lock:
            self._spent_s[name] += spent_s
            self._calls[name] += 1
            if name == "judged":
                self._last_s = time.process_time()
                if self._calls[name] == WARM_LOOKS:
                    self._warm_s = self._last_s


def main(argv: list[str]) -> int:
    """Run the node; its exit code."""
    result, *words = argv
    costs = Costs()
    vars(eye)["picture"] = costs.timed("scaled", picture)
    Stream.decoded = costs.timed("decoded", Stream.decoded)  # type: ignore[method-assign]
    Judge.see = costs.timed("judged", Judge.see)  # type: ignore[method-assign]
    code = node(words)
    Path(result).write_text(json.dumps(costs.told()), "utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
