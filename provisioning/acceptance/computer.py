"""The computer under the box: its supply, its watchdog, what is installed on it. Reads files, and asks dpkg."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path
from typing import Final

from edge.config import FIRMWARE
from edge.health import Machine
from provisioning.acceptance import words
from provisioning.acceptance.config import Packages, Power, Watchdog
from provisioning.acceptance.sheet import Line, at_least, at_most, demanded, skipped, told

DPKG_S: Final = 30.0
INSTALLED: Final = "ii"  # dpkg's own abbreviation: wanted, and installed as a whole


def power(limits: Power, *, machine: Machine | None = None) -> list[Line]:
    """Whether the supply was too low since it was asked last (the box's health record asks each minute), and its V."""
    low = (machine or Machine()).undervoltage()
    if low is None:
        lines = [skipped("power_undervoltage", words.NOT_TOLD_BY_COMPUTER)]
    else:
        lines = [demanded("power_undervoltage", "yes" if low else "no", not low, words.UNDERVOLTAGE, limit="no")]
    return [*lines, _supply(limits)]


def _supply(limits: Power) -> Line:
    if limits.millivolt_path is None:
        return skipped("power_supply", words.NOT_MEASURED)
    try:
        volt = int(limits.millivolt_path.read_text("ascii")) / 1000
    except (OSError, ValueError) as error:
        return demanded("power_supply", str(error), False, words.SUPPLY)
    unknown = words.NOT_MEASURED
    high = at_most("power_supply", round(volt, 2), limits.at_most_v, "V", todo=words.SUPPLY, unknown=unknown)
    if high.verdict == "failed":
        return high
    return at_least("power_supply", round(volt, 2), limits.at_least_v, "V", todo=words.SUPPLY, unknown=unknown)


def watchdog(limits: Watchdog, *, sys: Path = Path("/sys")) -> list[Line]:
    """Whether a watchdog is there and running: then somebody (systemd) feeds it, or the box would restart."""
    if not limits.there:
        return [skipped("watchdog", words.NOT_MEASURED)]
    found = sorted((sys / "class" / "watchdog").glob("watchdog*"))
    states = [_text(each / "state") for each in found]
    if not found:
        return [demanded("watchdog", "", False, words.NO_WATCHDOG, limit="active")]
    if not any(states):
        return [skipped("watchdog", words.NOT_TOLD_BY_COMPUTER)]  # a kernel without CONFIG_WATCHDOG_SYSFS
    state = "active" if "active" in states else states[0]
    return [demanded("watchdog", state, state == "active", words.WATCHDOG_OFF, limit="active")]


def packages(limits: Packages, *, dpkg: str | None = shutil.which("dpkg-query")) -> list[Line]:
    """The firmware, every package of pantau that dpkg knows, and the system under them."""
    wanted = limits.firmware or None
    lines = [demanded("package_firmware", FIRMWARE, wanted in (None, FIRMWARE), words.OTHER_FIRMWARE, limit=wanted)]
    lines += [demanded("package_state", each, state == INSTALLED, words.PACKAGE_BROKEN) for each, state in _dpkg(dpkg)]
    return [*lines, told("package_system", f"{_system()}, {platform.release()}, Python {platform.python_version()}")]


def _dpkg(dpkg: str | None) -> list[tuple[str, str]]:
    """(name and version, state) of each package of pantau; none where nothing was installed by dpkg."""
    if dpkg is None:
        return []
    form = "${Package} ${Version}\t${db:Status-Abbrev}\n"
    command = [dpkg, "--show", f"--showformat={form}", "pantau*"]
    # It ends with 1 when it knows no such package.
    said = subprocess.run(command, capture_output=True, text=True, timeout=DPKG_S, check=False).stdout
    rows = [line.partition("\t") for line in said.splitlines()]
    return [(name, state.strip()) for name, _, state in rows if not state.startswith("un")]


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""
