"""Why the process began, and how what ran before it ended: from the documents' mark and what the kernel kept.

The mark is `[boot_id, state, why]`: `running` while a process runs, `clean` once it has ended well, with the reason
when it had asked for the power-off itself.
"""

import logging
from pathlib import Path
from typing import Any, Final, Protocol

log = logging.getLogger(__name__)

MARK: Final = "last_boot"
PARKED, BATTERY = "parked", "battery"  # why a box asks for the power-off itself
CARD_RESET: Final = 0x20  # WDIOF_CARDRESET, linux/watchdog.h: the watchdog has reset the machine


class Notes(Protocol):
    """What survives the process (edge/memory.py)."""

    def recall(self, name: str, default: Any) -> Any: ...
    def remember(self, name: str, value: Any) -> None: ...


def begun(boot_id: int, notes: Notes, *, root: Path = Path("/")) -> dict[str, str]:
    """The detail of the `boot` event, and the mark that the next start finds.

    `reason`: `power_on` after a boot, `restart` after a clean stop, `killed` after none. `ended`: how it ended before.
    """
    before = notes.recall(MARK, [])
    notes.remember(MARK, [boot_id, "running"])
    clean = before[1:2] == ["clean"]
    if before[:1] == [boot_id]:
        return {"reason": "restart" if clean else "killed", "ended": "stopped" if clean else "crash"}
    if not before:
        return {"reason": "power_on", "ended": "first_start"}
    if clean:
        asked = before[2:3] in ([PARKED], [BATTERY])
        return {"reason": "power_on", "ended": f"requested_{before[2]}" if asked else "shutdown"}
    return {"reason": "power_on", "ended": _kernel_says(root) or "power_lost"}


def ended(boot_id: int, notes: Notes, why: str = "") -> None:
    """A clean stop; `why` when this process has asked for the power-off."""
    notes.remember(MARK, [boot_id, "clean", why] if why else [boot_id, "clean"])


def _kernel_says(root: Path) -> str | None:
    """`watchdog` or `kernel_crash`; None where the kernel kept nothing, or shows it to root alone."""
    for file in sorted(root.glob("sys/class/watchdog/watchdog*/bootstatus")):
        try:
            if int(file.read_text("ascii"), 0) & CARD_RESET:
                return "watchdog"
        except (OSError, ValueError) as error:
            log.debug("%s: %s", file, error)
    # systemd-pstore moves what the kernel kept to /var/lib at each boot.
    for folder in ("sys/fs/pstore", "var/lib/systemd/pstore"):
        try:
            if any((root / folder).glob("**/dmesg*")):
                return "kernel_crash"
        except OSError as error:
            log.debug("%s: %s", folder, error)
    return None
