"""A box's identity on its card: key and certificate side by side in numbered folders, one of them current.

`current` is a symbolic link that is replaced in one step, so a power cut leaves the old identity or the new one. The
folder with the highest number above the current one is being made, and is gone on with after a power cut.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509

from provisioning.files import PUBLIC, SECRET, sync_folder, write
from provisioning.x509 import Key, key_pem, load_key, new_key

CURRENT: Final = "current"
KEPT: Final = 2  # the current one and the one before it


@dataclass(frozen=True, slots=True)
class Folder:
    """One identity: `key.pem` (mode 0600, made here, never anywhere else) and `certificate.pem` once it was issued."""

    path: Path

    @property
    def key_path(self) -> Path:
        return self.path / "key.pem"

    @property
    def certificate_path(self) -> Path:
        return self.path / "certificate.pem"

    def key(self) -> Key:
        """Its key, made when there is none yet."""
        if not self.key_path.exists():
            write(self.key_path, key_pem(new_key()), mode=SECRET)
        return load_key(self.key_path.read_bytes(), str(self.key_path))

    def adopt(self, other: Folder) -> None:
        """Use the key of another of this box's identities."""
        write(self.key_path, other.key_path.read_bytes(), mode=SECRET)

    def certificate(self) -> x509.Certificate | None:
        """Its certificate; None when it has none that belongs to its key."""
        if not self.certificate_path.exists():
            return None
        found = x509.load_pem_x509_certificate(self.certificate_path.read_bytes())
        return found if found.public_key() == self.key().public_key() else None

    def forget(self) -> None:
        """Its certificate is not wanted anywhere; the key may get another one."""
        self.certificate_path.unlink(missing_ok=True)
        sync_folder(self.path)

    def keep(self, certificate: bytes) -> None:
        """Save the certificate aside of the current one."""
        write(self.certificate_path, certificate, mode=PUBLIC)


class Identities:
    """The folder that holds them all, e.g. /etc/pantau/identity."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def current(self) -> Folder | None:
        """What the box is now; None before its first enrolment."""
        link = self._directory / CURRENT
        return Folder(link.resolve()) if link.exists() else None

    def next(self) -> Folder:
        """What it is about to be: an unfinished one is gone on with, else a new folder."""
        now, highest = self._number(self.current()), max(self._numbers(), default=0)
        number = highest if highest > now else now + 1
        folder = self._directory / str(number)
        folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        sync_folder(self._directory.parent)  # a code is used up with the key in here: it must not go with its folder
        sync_folder(self._directory)
        return Folder(folder)

    def become(self, folder: Folder) -> None:
        """From now on the box is that; the folders before the last two go."""
        beside = self._directory / f"{CURRENT}.new"
        beside.unlink(missing_ok=True)
        beside.symlink_to(folder.path.name)
        beside.replace(self._directory / CURRENT)
        sync_folder(self._directory)
        for number in sorted(self._numbers())[:-KEPT]:
            shutil.rmtree(self._directory / str(number))

    def _numbers(self) -> list[int]:
        if not self._directory.is_dir():
            return []
        return [int(each.name) for each in self._directory.iterdir() if each.name.isdigit() and each.is_dir()]

    def _number(self, folder: Folder | None) -> int:
        return 0 if folder is None else int(folder.path.name)
