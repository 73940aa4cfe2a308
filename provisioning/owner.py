"""Whose files they are: a technician types sudo, and the box's key must belong to the box's own user all the same."""

from __future__ import annotations

import grp
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

HARDWARE: Final = ("dialout", "gpio")  # who may open a tty and a pin, on Debian and Raspberry Pi OS
IN_MEMORY: Final = Path("/run")


def owner_of(folder: Path) -> os.stat_result | None:
    """Who owns it, or the nearest folder above it that is there; None when that is root, or we are not."""
    if os.geteuid() != 0:
        return None
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    owner = there.stat()
    return None if owner.st_uid == 0 else owner


def become_owner(folder: Path) -> None:
    """As root, go on as the owner of the folder (of the nearest one above it that is there); else nothing."""
    owner = owner_of(folder)
    if owner is None:
        return
    os.setgroups([])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)


def run_as_owner(
    folder: Path, command: Sequence[str], *, secrets: Iterable[Path] = (), in_memory: Path = IN_MEMORY
) -> int | None:
    """As root, run `command` as the owner of the folder, and end as it does; None: there is nobody else to become.

    As its service has it from systemd, it may open ttys and pins, and is handed `secrets`, files that only root reads,
    as copies in $CREDENTIALS_DIRECTORY (systemd.exec(5)). They are gone when it has ended.
    """
    owner = owner_of(folder)
    if owner is None:
        return None
    with TemporaryDirectory(prefix="pantau-credentials-", dir=in_memory) as copies:
        for secret in filter(Path.exists, secrets):
            copy = Path(copies, secret.name)
            copy.touch(mode=0o400)
            shutil.copyfile(secret, copy)
            os.chown(copy, owner.st_uid, owner.st_gid)
        os.chown(copies, owner.st_uid, owner.st_gid)
        surroundings = {**os.environ, "CREDENTIALS_DIRECTORY": copies}
        groups = [each.gr_gid for each in grp.getgrall() if each.gr_name in HARDWARE]
        done = subprocess.run(
            command, check=False, env=surroundings, user=owner.st_uid, group=owner.st_gid, extra_groups=groups
        )
    return done.returncode if done.returncode >= 0 else 128 - done.returncode  # as a shell says it of a signal
