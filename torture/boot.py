"""Boots of one box: a boot id and a CLOCK_BOOTTIME of its own (namespaces), so that it can be rebooted."""

from __future__ import annotations

import random
import subprocess
import time
import uuid
from pathlib import Path
from typing import Final

from torture.scenario import Unready

# $1: file with the seconds that CLOCK_BOOTTIME is off; $2: file with the boot id. Every step is an exec: one process.
_UNSHARE: Final = 'off=$(cat "$1"); id=$2; shift 2; exec unshare --mount --time --boottime "$off" sh -c "$0" "$id" "$@"'
_BIND: Final = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
BOOTING_S: Final = 20  # what a boot has taken when the process starts


class Boot:
    """What a box's processes take for the machine's boot; `inside` is the prefix of their command."""

    def __init__(self, directory: Path, index: int, luck: random.Random) -> None:
        """Raises Unready where no namespace may be made."""
        self._luck = luck
        self._offset, self._id = directory / f"boottime-{index}", directory / f"boot-id-{index}"
        self.inside: Final = ("sh", "-c", _UNSHARE, _BIND, str(self._offset), str(self._id))
        self.again()
        tried = subprocess.run([*self.inside, "true"], capture_output=True, text=True, check=False)
        if tried.returncode:
            raise Unready(f"needs root for a time namespace: {tried.stderr.strip()}")

    def again(self) -> None:
        """From now on it is another boot."""
        boottime_s = int(time.clock_gettime(time.CLOCK_BOOTTIME))
        self._offset.write_text(f"{BOOTING_S - boottime_s}\n", "ascii")
        self._id.write_text(f"{uuid.UUID(int=self._luck.getrandbits(128))}\n", "ascii")
