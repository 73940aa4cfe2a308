"""The process behind a simulated card: its verbs come over a socket, its files are served by `card_files`."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from random import Random

from edge.sim.card_files import CAPACITY_BYTES, CardFiles, serve
from edge.sim.durable_names import Image, Tree


class Verbs:
    """What the suite may do to the card; each is called by its name over the socket."""

    def __init__(self, card: CardFiles) -> None:
        self._card = card

    def freeze(self) -> None:
        """From now on nothing is answered. The kernel's next request waits for the lock for ever."""
        self._card.turn.acquire()

    def power_cut(self, seed: int) -> Image:
        """What is left (after `freeze`); the process ends right after it has said so."""
        return self._card.tree.power_cut(Random(seed))

    def image(self) -> Image:
        with self._card.turn:
            return self._card.tree.image()

    def sync(self) -> None:
        with self._card.turn:
            self._card.tree.sync()

    def fill(self, leave_bytes: int) -> None:
        with self._card.turn:
            self._card.capacity_bytes += leave_bytes - self._card.free_bytes()

    def free(self) -> None:
        with self._card.turn:
            self._card.capacity_bytes = CAPACITY_BYTES

    def read_only(self, now: bool) -> None:
        with self._card.turn:
            self._card.read_only = now

    def fail_writes(self, path: str, number: int) -> None:
        with self._card.turn:
            self._card.write_errno[path] = number

    def fail_reads(self, path: str, number: int) -> None:
        with self._card.turn:
            self._card.read_errno[path] = number

    def lose_sync(self, path: str) -> None:
        with self._card.turn:
            self._card.losing.add(path)

    def bad_sector(self, path: str, sector: int) -> None:
        with self._card.turn:
            self._card.bad.setdefault(self._card.tree.file(path).number, set()).add(sector)

    def mend(self) -> None:
        with self._card.turn:
            self._card.bad.clear()
            self._card.losing.clear()
            self._card.write_errno.clear()
            self._card.read_errno.clear()
            self._card.read_only = False
            self._card.capacity_bytes = CAPACITY_BYTES

    def overwrite(self, path: str, offset: int, garbage: bytes) -> None:
        """The card's own doing: under the feet of whoever has the file open."""
        with self._card.turn:
            file = self._card.tree.file(path)
            content = bytearray(file.content)
            end = min(len(content), offset + len(garbage))
            content[offset:end] = garbage[: max(0, end - offset)]
            file.wear_out(bytes(content))

    def truncate(self, path: str, size: int) -> None:
        with self._card.turn:
            file = self._card.tree.file(path)
            file.wear_out(bytes(file.content[:size]))

    def wear(self) -> tuple[int, int, int]:
        """Bytes written, syncs, sectors the card took."""
        with self._card.turn:
            return self._card.bytes_written, self._card.syncs, self._card.sectors_synced


def obey(card: CardFiles, connection: Connection, mountpoint: str) -> None:
    """Verbs, one answer each, until the other end is gone: then the mount goes too."""
    verbs = Verbs(card)
    with suppress(EOFError, OSError):
        while True:
            verb, arguments = connection.recv()
            try:
                answer = getattr(verbs, verb)(*arguments)
            except OSError as error:  # no such file: who asked should know
                connection.send(error)
                continue
            connection.send(answer)
            if verb == "power_cut":
                os._exit(0)  # with /dev/fuse closed every waiting request ends: what was killed can die
    subprocess.run(["fusermount3", "-u", "-z", "-q", mountpoint], check=False)


def main(mountpoint: str, handle: int) -> None:
    """Serve the mount until it is unmounted. The first thing on the socket is (image, volatile)."""
    connection: Connection = Connection(handle)
    image, volatile = connection.recv()
    card = CardFiles(Tree(image, volatile), lambda: connection.send(None))
    threading.Thread(target=obey, args=(card, connection, mountpoint), daemon=True).start()
    serve(card, mountpoint)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
