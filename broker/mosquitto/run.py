"""Writing Mosquitto's files and finding its program; the caller executes the command, in the foreground."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
from pathlib import Path
from typing import Final

from broker.acl import Roles, render_acl
from broker.mosquitto.configuration import Listener, render_configuration
from wire.errors import PantauError

# Debian installs the daemon where an ordinary user's PATH does not look.
_SYSTEM_FOLDERS: Final = ("/usr/sbin", "/usr/local/sbin")
ACL_NAME: Final = "mosquitto.acl"
PID_NAME: Final = "mosquitto.pid"
_OWN_FILES: Final = 64  # descriptors Mosquitto needs for itself
_ENOUGH_CONNECTIONS: Final = 65_000  # 20,000 units are a big city


class MosquittoMissing(PantauError, FileNotFoundError):
    """The broker's program is not installed."""


class PortTaken(PantauError, OSError):
    """Something else listens where the broker should."""


def executable() -> str:
    """The path of mosquitto; raises MosquittoMissing with what to type."""
    folders = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS])
    found = shutil.which("mosquitto", path=folders)
    if found is None:
        raise MosquittoMissing("mosquitto is not installed; type: sudo apt-get install -y mosquitto")
    return found


def prepare(listener: Listener, roles: Roles, directory: Path) -> list[str]:
    """Write configuration and access list into `directory` and return the command that runs Mosquitto on them.

    Raises PortTaken when the listener's port is in use and MosquittoMissing. Raises the limit of open files, which
    the command inherits: every connection takes one.
    """
    command = executable()
    _check_free(listener.address, listener.port)
    directory.mkdir(parents=True, exist_ok=True)
    acl_path = directory.absolute() / ACL_NAME
    configuration_path = directory.absolute() / "mosquitto.conf"
    _write(acl_path, render_acl(roles))
    _write(
        configuration_path,
        render_configuration(listener, acl_path=acl_path, as_root=os.geteuid() == 0, connections=_connections()),
    )
    return [command, "-c", str(configuration_path)]


def running(directory: Path, pid: int) -> None:
    """Remember which process runs on the files in `directory`: it is told when the access list changes."""
    _write(directory / PID_NAME, f"{pid}\n")


def reload(roles: Roles, directory: Path) -> bool:
    """Write the access list anew and have the running Mosquitto read it; False when none runs on these files.

    It asks its list at every message, so that who is denied there is silent at once, connected or not.
    """
    _write(directory / ACL_NAME, render_acl(roles))
    try:
        pid = int((directory / PID_NAME).read_text("utf-8"))
        if b"mosquitto" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return False  # a number that another process has by now
        os.kill(pid, signal.SIGHUP)
    except (OSError, ValueError):
        return False
    return True


def _write(path: Path, text: str) -> None:
    """Replace the file in one step; only its owner reads it (2.1 warns of access lists others can read)."""
    aside = path.with_suffix(path.suffix + ".new")
    aside.unlink(missing_ok=True)
    aside.touch(mode=0o600)
    aside.write_text(text, "utf-8")
    aside.replace(path)


def _connections() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH_CONNECTIONS + _OWN_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed - _OWN_FILES


def _check_free(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Mosquitto does: TIME_WAIT is not taken
        try:
            probe.bind((address, port))
        except OSError as error:
            raise PortTaken(f"cannot listen on {address} port {port}: {error.strerror}") from error
