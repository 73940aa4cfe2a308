"""The cameras' users and passwords: one TOML file that only its owner can read, and nothing else on the box.

    [gate-north]
    user = "viewer"
    password = "…"

Under systemd the file belongs to root, and the agent is handed a copy in memory (LoadCredential=, systemd.exec(5)).
"""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Final

from edge.camera_node.probing import Credentials
from edge.errors import ConfigError

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MOST_BYTES: Final = 64_000  # eight cameras need 500


def read_passwords(path: Path) -> dict[str, Credentials]:
    """Credentials by camera name, from the copy that systemd has handed over where there is one.

    Raises ConfigError naming file and key, never what stands there.
    """
    try:
        status = path.stat()
        if status.st_mode & _OTHERS:
            raise ConfigError(
                f"{path} can be read by others (mode {stat.S_IMODE(status.st_mode):04o}): chmod 600 {path}"
            )
        if status.st_uid not in {0, os.geteuid()}:
            raise ConfigError(f"{path} belongs to user {status.st_uid}, not to root: chown root {path}")
        with readable(path).open("rb") as file:
            raw = file.read(_MOST_BYTES)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    try:
        tables = tomllib.loads(raw.decode())
    except ValueError as error:
        where = str(error).rpartition("(")[2].rstrip(")") if "(at " in str(error) else "not TOML in UTF-8"
        raise ConfigError(f"{path} is not a list of cameras ({where})") from None  # its message may quote a password
    return {name: _credentials(path, name, table) for name, table in tables.items()}


def readable(path: Path) -> Path:
    """systemd's copy of `path`, by the same name, where there is one; else `path`.

    Who may read the copy is systemd's care, by an ACL: its mode says 0440.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    copy = None if folder is None else Path(folder, path.name)
    return copy if copy is not None and copy.exists() else path


def _credentials(path: Path, name: str, table: object) -> Credentials:
    if not isinstance(table, dict) or set(table) != {"user", "password"}:
        raise ConfigError(f"{path}: [{name}] needs exactly user and password")
    user, password = table["user"], table["password"]
    if not isinstance(user, str) or not isinstance(password, str) or not user:
        raise ConfigError(f"{path}: user and password of [{name}] must be text")
    return Credentials(user, password)
