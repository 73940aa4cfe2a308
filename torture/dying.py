"""`python -m torture.dying POINT NTH PROGRAM ARGS…`: a production main that SIGKILLs itself at a commit point.

PROGRAM is what `python -m` would run. Everything in the process is as it is on the road but for what the commit points
call: at the NTH passing of POINT the kernel ends the process, with no byte flushed and no handler run.
"""

from __future__ import annotations

import importlib
import itertools
import os
import signal
import sys
from collections.abc import Callable, Sequence


def kill_at(point: str, nth: int) -> Callable[[str], None]:
    """What to give a main as its `at`; says on stderr where it dies, as the last it does."""
    passed = itertools.count(1)  # drawn from by several threads

    def at(reached: str) -> None:
        if reached == point and next(passed) == nth:
            os.write(2, last_words(point, nth).encode() + b"\n")
            os.kill(os.getpid(), signal.SIGKILL)

    return at


def last_words(point: str, nth: int) -> str:
    """The last line in the log of a process that died at its point."""
    return f"killed at {point}, passed {nth} times"


def doomed(command: Sequence[str], point: str, nth: int) -> list[str]:
    """The command of a child of the stage (`… python -m PROGRAM ARGS…`), as one that dies at the point."""
    module = command.index("-m") + 1
    return [*command[:module], "torture.dying", point, str(nth), *command[module:]]


def main(argv: list[str]) -> int:
    """Run PROGRAM's own main; its exit code, should it live."""
    point, nth, program, *args = argv
    code: int = importlib.import_module(f"{program}.__main__").main(args, at=kill_at(point, int(nth)))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
