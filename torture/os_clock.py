"""An OS clock of its own for one process (libfaketime): its date is ours, its monotonic clocks stay real."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from torture.scenario import Unready

_LIBRARIES: Final = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


class OsClock:
    """The clock of processes started with `environment`; it can be set while they run."""

    def __init__(self, path: Path) -> None:
        """`path`: the file in which the library looks at each call. Raises Unready where there is no libfaketime."""
        self._path = path
        self.environment: Final = {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.offset_s = 0
        self.set(0)

    def set(self, offset_s: int) -> None:
        """From now on it is this far from the truth."""
        self.offset_s = offset_s
        beside = self._path.with_suffix(".new")
        beside.write_text(f"{offset_s:+d}\n", "ascii")
        beside.replace(self._path)  # never half of a number

    def step(self, seconds: int) -> None:
        """Set it so much later, or earlier."""
        self.set(self.offset_s + seconds)


def _library() -> Path:
    for pattern in _LIBRARIES:
        for found in sorted(Path("/").glob(pattern.lstrip("/"))):
            return found
    raise Unready("needs libfaketime: sudo apt-get install -y faketime")
