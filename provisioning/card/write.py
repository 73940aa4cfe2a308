"""Files onto a card, or into a folder that is copied onto one. A card is FAT: no owners, no modes to be set."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from provisioning.card.boot import FOLDER
from provisioning.files import sync_folder
from provisioning.values import RegistryError
from provisioning.words import _

PACKAGES: Final = f"{FOLDER}/packages"


class CardFull(RegistryError):
    """The boot partition has no room for what has to be on it."""


def write_card(directory: Path, files: Mapping[str, bytes], packages: list[Path]) -> bool:
    """Make the directory hold exactly that of ours, in that order; False when it was so already.

    Raises CardFull before anything is written, OSError when the card does not take it.
    """
    wanted = {path: content for path, content in files.items() if not _is(directory / path, content)}
    missing = [each for each in packages if not _same(directory / PACKAGES / each.name, each)]
    stale = _stale(directory, {*files, *(f"{PACKAGES}/{each.name}" for each in packages)})
    _room(directory, sum(map(len, wanted.values())) + sum(each.stat().st_size for each in missing))
    for each in stale:  # another box's code or a log: before what is new, so that they are never mixed up
        each.unlink()
    for package in missing:
        _copy(package, directory / PACKAGES / package.name)
    for path, content in wanted.items():
        _write(directory / path, content)
    return bool(wanted or missing or stale)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".new")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync_folder(path.parent)


def _copy(source: Path, target: Path) -> None:
    """A package; where it may be, the same bytes under another name, so that 10,000 folders do not fill a disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another file system, or FAT, which has no links
        shutil.copyfile(source, target)
        with target.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(target.parent)


def _is(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _same(path: Path, source: Path) -> bool:
    return path.is_file() and path.stat().st_size == source.stat().st_size and path.read_bytes() == source.read_bytes()


def _stale(directory: Path, kept: set[str]) -> list[Path]:
    ours = [each for each in (directory / FOLDER).rglob("*") if each.is_file()]
    return [each for each in ours if each.relative_to(directory).as_posix() not in kept]


def _room(directory: Path, bytes_needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if bytes_needed > free:
        told = _("{directory} has room for {free} MB, and {needed} MB are needed")
        mega = 1_000_000
        raise CardFull(told.format(directory=directory, free=free // mega, needed=-(-bytes_needed // mega)))
