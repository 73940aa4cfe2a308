"""A camera more in the files of a pole's box: unit.toml, and its password in the one that only root reads."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edge.camera_node.config import NodeConfig, node_of
from provisioning.files import SECRET, write
from provisioning.words import _
from provisioning.written import PASSWORDS, with_camera, with_password
from settings import ConfigError
from wire.errors import PantauError

ANYWHERE: Final = "rtsp://127.0.0.1/"  # until the camera has been asked


class NotWritten(PantauError, OSError):
    """A file cannot be read or written; what was not written is as it was."""


class Files:
    """unit.toml, which is known to be a camera node's, and the passwords it names or will name."""

    def __init__(self, unit: Path, node: NodeConfig) -> None:
        self._unit = unit
        self._names = {camera.name for camera in node.cameras}
        self._names_none = node.pole.passwords_path is None
        self._passwords = node.pole.passwords_path or unit.absolute().with_name(Path(PASSWORDS).name)

    def may_be_called(self, name: str, *, again: bool) -> None:
        """Raises ConfigError when no camera can have it, or none more; NotWritten when one has it, unless `again`."""
        if name in self._names and not again:
            raise NotWritten(_("{name} is adopted already; --again puts another camera in its place").format(name=name))
        self._with({"name": name, "url": ANYWHERE}, secret=False)

    def take(self, camera: Mapping[str, str | int | None], user: str, password: str) -> None:
        """Write both files; `user` "": no password. Raises ConfigError, NotWritten.

        Password first: the other way round a camera whose box loses power now would be asked without one.
        """
        text = self._with(camera, secret=bool(user))
        try:
            if user:
                write(self._passwords, self._secrets(str(camera["name"]), user, password), mode=SECRET)
            status = self._unit.stat()
            write(self._unit, text.encode(), mode=stat.S_IMODE(status.st_mode))
            os.chown(self._unit, status.st_uid, status.st_gid)
        except PermissionError as error:
            raise NotWritten(_("{path}: {why}; with sudo?").format(path=self._unit, why=error.strerror)) from error
        except OSError as error:
            raise NotWritten(f"{error.filename or self._unit}: {error.strerror}") from error

    def _with(self, camera: Mapping[str, str | int | None], *, secret: bool) -> str:
        passwords = str(self._passwords) if secret and self._names_none else None
        try:
            text = with_camera(self._unit.read_text("utf-8"), camera, passwords)
            document = tomllib.loads(text)
        except ValueError:  # cameras = [{…}] is TOML, too, and nothing can be added to it
            told = _("{path}: write its cameras as tables [[cameras]], and [pole] as one, first")
            raise ConfigError(told.format(path=self._unit)) from None
        node_of(document, name=str(self._unit), folder=self._unit.absolute().parent)
        return text

    def _secrets(self, name: str, user: str, password: str) -> bytes:
        try:
            before = self._passwords.read_text("utf-8") if self._passwords.exists() else ""
            return with_password(before, name, user, password).encode()
        except ValueError:  # its message may quote a password
            raise ConfigError(_("{path} is not TOML: correct it first").format(path=self._passwords)) from None
