"""The boot partition of a card of Raspberry Pi OS: what tells it, and what it is started with.

Two ways of first-boot files are in the field. Trixie has cloud-init, which reads user-data and meta-data from this
partition. Bookworm runs what the kernel's command line names (systemd.run=), as Raspberry Pi Imager does it there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioning.values import RegistryError
from provisioning.words import _

FOLDER: Final = "pantau"  # everything of ours on the partition, but for the files that the system itself looks for
SCRIPT: Final = f"/boot/firmware/{FOLDER}/first-boot.sh"  # where both releases mount the partition
# Imager's own name, /boot/firstrun.sh, would be rewritten by the initramfs of Bookworm (imager_fixup).
RUN: Final = (
    f"systemd.run={SCRIPT}",
    "systemd.run_success_action=reboot",
    "systemd.run_failure_action=reboot",  # its default would switch the box off
    "systemd.unit=kernel-command-line.target",
)
_RUN_KEYS: Final = tuple(word.split("=")[0] + "=" for word in RUN)
_SEED: Final = "ds=nocloud;i="  # goes before the instance-id in meta-data, so it has to be ours
_OWN_PINS: Final = re.compile(r"/dev/(serial0|ttyAMA0|ttyS0)")


class NoBootPartition(RegistryError):
    """The directory is no such boot partition, or not one that may be written to: the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What a partition is started with; `cloud_init`: the release reads user-data (Trixie), else cmdline.txt."""

    cmdline: str
    config: str
    cloud_init: bool

    def started_with(self, instance: str, tty: str) -> str:
        """cmdline.txt for a box: one line, whatever was ours before taken out."""
        words = [word for word in self.cmdline.split() if not word.startswith((*_RUN_KEYS, _SEED))]
        if _OWN_PINS.fullmatch(tty):  # a console there would talk to the receiver, and listen to it
            words = [word for word in words if not word.startswith(("console=serial0", "console=ttyAMA0"))]
        return " ".join([*words, *([_SEED + instance] if self.cloud_init else RUN)]) + "\n"

    def configured(self, tty: str) -> str:
        """config.txt for a box: the port on the board's own pins is off unless there is a console on it."""
        if not _OWN_PINS.fullmatch(tty) or re.search(r"^enable_uart=1\s*$", self.config, re.MULTILINE):
            return self.config
        return f"{self.config.rstrip()}\n\n[all]\nenable_uart=1\n"


def read_boot(directory: Path, *, running: Path = Path("/proc/cmdline")) -> Boot:
    """What is in a directory. Raises NoBootPartition for anything but a fresh card's boot partition.

    `running` is the command line of this machine: its own partition is refused.
    """
    try:
        cmdline = (directory / "cmdline.txt").read_text("utf-8")
        config = (directory / "config.txt").read_text("utf-8")
        names = {each.name for each in directory.iterdir()}
    except OSError as error:
        raise _none(directory, f"{error.filename}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _none(directory, str(error)) from error
    roots = [word for word in cmdline.split() if word.startswith("root=")]
    if len(roots) != 1:
        raise _none(directory, _("no root= in cmdline.txt"))
    if not any(re.fullmatch(r"start.*\.elf|kernel.*\.img|bcm27.*\.dtb", name) for name in names):
        raise _none(directory, _("no firmware and no kernel in it"))
    if roots[0] in running.read_text("utf-8").split():
        raise NoBootPartition(_("{directory} is what this machine itself was started from").format(directory=directory))
    others = [
        word
        for word in cmdline.split()
        if (word.startswith("systemd.run=") and word != RUN[0])
        or (word.startswith(_SEED) and not word.startswith(f"{_SEED}{FOLDER}-"))
    ]
    if others:
        told = _("{directory} has settings of Raspberry Pi Imager on it ({word}): flash the card anew without any")
        raise NoBootPartition(told.format(directory=directory, word=others[0]))
    return Boot(cmdline=cmdline, config=config, cloud_init=bool(names & {"user-data", "meta-data"}))


def _none(directory: Path, why: str) -> NoBootPartition:
    told = _("{directory} is not the boot partition of a card with Raspberry Pi OS ({why}); it is the one named bootfs")
    return NoBootPartition(told.format(directory=directory, why=why))
