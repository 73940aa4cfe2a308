"""A card that can lose power, fill up, wear out: a file system (FUSE) at a directory, with the verbs of a bad SD card.

    with SimulatedCard(directory, volatile=["run"]) as card:
        child.start()
        died_mono_s = card.power_cut(luck, [child.pid])

Its rules are those of `durable` and `durable_names`, its process is its own. It is not an SD card: a real one may lose
what was synced long ago when power goes while it erases a block, and some say they have written what they have not.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from ctypes.util import find_library
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Final, Self

from edge.sim.durable import SECTOR_BYTES
from edge.sim.durable_names import Image

END_WITHIN_S: Final = 10.0


def why_not() -> str | None:
    """Why this machine can not have a simulated card, in one line; None when it can."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "no access to /dev/fuse (a container needs --device /dev/fuse and CAP_SYS_ADMIN)"
    if shutil.which("fusermount3") is None or find_library("fuse3") is None:
        return "fuse3 is missing: sudo apt-get install -y fuse3"
    if find_spec("mfusepy") is None:
        return "mfusepy is missing: pip install mfusepy"
    return None


@dataclass(frozen=True, slots=True)
class Wear:
    """What programs did to the card since it was mounted: bytes written, fsyncs, bytes of sectors it had to take."""

    written_bytes: int
    syncs: int
    synced_bytes: int


class SimulatedCard:
    """`with SimulatedCard(directory) as card:` what is in the directory is on the card, and comes back afterwards.

    Below the directories named `volatile` (they stand for tmpfs) a power cut leaves nothing. Symbolic links are names
    of devices and survive. Names in verbs are relative to the directory. OSError where the machine can not have one.
    """

    def __init__(self, directory: Path, volatile: Iterable[str] = ()) -> None:
        self.directory: Final = directory.absolute()
        self._volatile = tuple(volatile)
        self._server: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    # ------------------------------------------------------------------ power

    def power_cut(self, luck: Random, pids: Iterable[int | None] = ()) -> float:
        """Box and card lose power, and the card is back; CLOCK_MONOTONIC of the cut.

        First no request is answered any more, then the processes get SIGKILL (reap them), then luck decides what is
        left. Whoever else has a file open here has to open it again.
        """
        self._ask("freeze")
        at_mono_s = time.monotonic()
        for pid in pids:
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        left: Image = self._ask("power_cut", luck.getrandbits(64))
        self._unmount()
        self._mount(left)
        return at_mono_s

    def sync(self) -> None:
        """As sync(1) does: everything is durable now."""
        self._ask("sync")

    # ------------------------------------------------------------------ faults

    def fill(self, leave_bytes: int = 0) -> None:
        """Somebody else's files take all but so much: ENOSPC."""
        self._ask("fill", leave_bytes)

    def free(self) -> None:
        """They are gone again."""
        self._ask("free")

    def remount_read_only(self) -> None:
        """As the kernel does after an error (errors=remount-ro): EROFS, for files that are open too."""
        self._ask("read_only", True)

    def remount_read_write(self) -> None:
        """Writes are taken again."""
        self._ask("read_only", False)

    def fail_writes(self, name: str | None = None, number: int = errno.EIO) -> None:
        """Writing, syncing, naming fails from now on: of that file, or of all. `number` 0: no more."""
        self._ask("fail_writes", "" if name is None else self._path(name), number)

    def fail_reads(self, name: str | None = None, number: int = errno.EIO) -> None:
        """Reading fails from now on: of that file, or of all. `number` 0: no more."""
        self._ask("fail_reads", "" if name is None else self._path(name), number)

    def lose_sync(self, name: str) -> None:
        """The next fsync of that file says EIO; the kernel then forgets these bytes are not written, as Linux does.

        Programs go on seeing them, and further syncs succeed; a power cut shows that they are not there.
        """
        self._ask("lose_sync", self._path(name))

    def bad_sector(self, name: str, offset: int) -> None:
        """The sector at that offset of the file can not be read any more (EIO), under whatever name the file gets."""
        self._ask("bad_sector", self._path(name), offset // SECTOR_BYTES)

    def mend(self) -> None:
        """Room, writes and reads are as on the first day. What was damaged stays so."""
        self._ask("mend")

    # ------------------------------------------------------------------ damage

    def corrupt(self, name: str, offset: int, garbage: bytes) -> None:
        """These bytes stand there now, on the card itself, whoever has the file open."""
        self._ask("overwrite", self._path(name), offset, garbage)

    def corrupt_page(self, name: str, page: int, luck: Random, page_bytes: int = 1024) -> None:
        """Page `page` (from 0) is random bytes now."""
        self.corrupt(name, page * page_bytes, luck.randbytes(page_bytes))

    def truncate(self, name: str, size: int) -> None:
        """The file has lost its end."""
        self._ask("truncate", self._path(name), size)

    def delete(self, name: str) -> None:
        """The name is gone for good; a program that has the file open keeps writing to nowhere."""
        (self.directory / name).unlink()  # by the kernel: libfuse has to know
        self.sync()

    # ------------------------------------------------------------------ what it saw

    def wear(self) -> Wear:
        """Since the last mount, so since the last power cut."""
        written, syncs, sectors = self._ask("wear")
        return Wear(written, syncs, sectors * SECTOR_BYTES)

    # ------------------------------------------------------------------ running

    def __enter__(self) -> Self:
        reason = why_not()
        if reason is not None:
            raise OSError(errno.ENODEV, reason)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._mount(_read(self.directory))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        left: Image = self._ask("image")
        self._unmount()
        _write(self.directory, left)

    def _path(self, name: str) -> str:
        return f"/{name}"

    def _mount(self, image: Image) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "edge.sim.card_server", str(self.directory), str(theirs.fileno())]
            self._server = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True
            )
        self._connection = Connection(ours.detach())
        self._connection.send((image, self._volatile))
        try:
            self._connection.recv()  # mounted
        except EOFError:
            code = self._server.wait(END_WITHIN_S)
            raise OSError(errno.ENODEV, f"no FUSE at {self.directory}: its server ended with {code}") from None

    def _unmount(self) -> None:
        assert self._connection is not None and self._server is not None
        subprocess.run(["fusermount3", "-u", "-z", "-q", str(self.directory)], check=True)
        self._connection.close()
        try:
            self._server.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:  # somebody has a file open there still
            self._server.kill()
            self._server.wait()

    def _ask(self, verb: str, *arguments: object) -> Any:
        assert self._connection is not None, "not mounted"
        self._connection.send((verb, arguments))
        answer = self._connection.recv()
        if isinstance(answer, OSError):
            raise answer
        return answer


def _read(folder: Path) -> Image:
    found: Image = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_dir():
            found[name] = None
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def _write(folder: Path, image: Image) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    for name, content in sorted(image.items()):
        if content is None:
            (folder / name).mkdir()
        elif isinstance(content, str):
            (folder / name).symlink_to(content)
        else:
            (folder / name).write_bytes(content)
