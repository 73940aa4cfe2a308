"""A boot partition as Raspberry Pi OS has it after flashing: the files that tell it, and the words in them."""

from __future__ import annotations

from pathlib import Path

CMDLINE = (
    "console=serial0,115200 console=tty1 root=PARTUUID=4d8fd085-02 rootfstype=ext4 fsck.repair=yes rootwait quiet "
    "init=/usr/lib/raspberrypi-sys-mods/firstboot\n"
)
TRIXIE = (
    "console=serial0,115200 console=tty1 root=PARTUUID=31ae5b5a-02 rootfstype=ext4 fsck.repair=yes rootwait resize\n"
)
CONFIG = "# For more options and information see\n# http://rptl.io/configtxt\ndtparam=audio=on\narm_64bit=1\n"
META = "dsmode: local\ninstance_id: rpios-image\n"  # with its underscore, which cloud-init does not read


def flashed(directory: Path, *, trixie: bool) -> Path:
    """Make the directory a fresh card's boot partition."""
    directory.mkdir(parents=True)
    (directory / "cmdline.txt").write_text(TRIXIE if trixie else CMDLINE)
    (directory / "config.txt").write_text(CONFIG)
    for name in ("kernel8.img", "start4.elf", "bcm2711-rpi-4-b.dtb"):
        (directory / name).write_bytes(b"\0")
    if trixie:
        (directory / "meta-data").write_text(META)
        (directory / "user-data").write_text("#cloud-config\n\n#hostname: raspberrypi\n")
        (directory / "network-config").write_text("# network:\n")
    return directory
