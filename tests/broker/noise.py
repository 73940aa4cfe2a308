"""A box that does its worst, as a process of its own: `python noise.py HOW PORT CA CERTIFICATE KEY NAME COUNT`.

It has an address of its own, says how often it managed, and in how many seconds.
"""

from __future__ import annotations

import random
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from raw_mqtt import connect, publish, subscribe

from wire.encode import check, packed_parcel, parcel, rows_message
from wire.kinds import CLASS_ALARM, KIND_EVENT
from wire.pack import pack_rows

AT_ONCE: Final = 16  # connections in the making at any time
MINE: Final = ("127.0.0.2", 0)
HOLDS_S: Final = 10.0
DIALS_S: Final = 8.0
PATIENCE_S: Final = 20.0
ROWS: Final = 5_000


class Noise:
    """Each verb does its worst `count` times (`dials`: a second) and returns how often it managed."""

    def __init__(self, port: int, context: ssl.SSLContext, name: str, count: int) -> None:
        self._address, self._context, self._count = ("127.0.0.1", port), context, count
        self._name = name
        self.verbs: dict[str, Callable[[], int]] = {
            "connects": self.connects,
            "sockets": self.sockets,
            "dials": self.dials,
            "garbage": lambda: self._say(lambda n: publish(f"pantau/v1/{name}/up", b"\xff" * 200)),
            "rows": lambda: self._say(lambda n: publish(f"pantau/v1/{name}/up", _rows(n))),
            "bombs": self.bombs,
            "dense": self.dense,
            "births": lambda: self._say(lambda n: publish(f"pantau/v1/{name}/birth", b"{}" * 100, retain=True)),
            "subscribes": lambda: self._say(lambda n: subscribe(f"#/{n}" if n % 2 else "pantau/v1/+/up")),
        }

    def connects(self) -> int:
        """A whole handshake and CONNECT, each one taking the last one's place."""

        def once(_: int) -> int:
            try:
                with self._dial() as tls:
                    tls.sendall(connect())
                    return len(tls.recv(4)) // 4
            except OSError:
                return 0  # its own next one was faster

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return sum(pool.map(once, range(self._count)))

    def sockets(self) -> int:
        """Connections on which nothing is said, all held open."""
        held = []
        for _ in range(self._count):
            try:
                held.append(socket.create_connection(self._address, timeout=0.5, source_address=MINE))
            except TimeoutError:
                break  # it is not let in any more
        time.sleep(HOLDS_S)
        for each in held:
            each.close()
        return len(held)

    def dials(self) -> int:
        """So many connections each second begun and thrown away, or what the kernel takes: no TLS slows this down."""
        begun_s, done = time.monotonic(), 0
        while (now_s := time.monotonic() - begun_s) < DIALS_S:
            if done < now_s * self._count:
                self._dial_and_hang_up()
                done += 1
            else:
                time.sleep(0.001)
        return done

    def bombs(self) -> int:
        """As many rows as a parcel may have, in seventy bytes."""
        bomb = _packed(0, b"")
        return self._say_and_wait(lambda _: bomb)

    def dense(self) -> int:
        """The same in as few bytes as the bridge takes."""
        return self._say_and_wait(lambda n: _packed(n, random.randbytes(1_500)))

    def _say_and_wait(self, payload: Callable[[int], bytes]) -> int:
        """Said in a moment; what is made of it takes the bridge a while."""
        said = self._say(lambda n: publish(f"pantau/v1/{self._name}/up", payload(n)))
        time.sleep(2 * HOLDS_S)
        return said

    def _dial_and_hang_up(self) -> None:
        with socket.socket() as one:
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # no port stays taken
            one.bind(MINE)
            one.connect_ex(self._address)

    def _say(self, what: Callable[[int], bytes]) -> int:
        with self._dial() as tls:
            tls.sendall(connect())
            tls.recv(4)
            until_s = time.monotonic() + PATIENCE_S
            for n in range(self._count):
                tls.sendall(what(n))
                if time.monotonic() > until_s:  # it is slowed down
                    return n + 1
            return self._count

    def _dial(self) -> ssl.SSLSocket:
        plain = socket.create_connection(self._address, timeout=PATIENCE_S, source_address=MINE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._context.wrap_socket(plain, server_hostname="localhost")


def _rows(n: int) -> bytes:
    body = b"x" * 1000
    rows = [(20 * n + k + 1, CLASS_ALARM, KIND_EVENT, check(body), body) for k in range(20)]
    return parcel(5, rows, waiting_bytes=1_000_000)


def _packed(n: int, body: bytes) -> bytes:
    """As many rows as a parcel may have, in as few bytes as LZMA makes of them and a body that does not pack."""
    rows = [(ROWS * n + k + 1, 0, 0, 0, b"") for k in range(ROWS - 1)]
    return packed_parcel(5, pack_rows(rows_message([*rows, (ROWS * (n + 1), 0, KIND_EVENT, check(body), body)])))


def main(how: str, port: str, ca: str, certificate: str, key: str, name: str, count: str) -> None:
    """One verb, once."""
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(certificate, key)
    noise = Noise(int(port), context, name, int(count))
    begun_s = time.monotonic()
    managed = noise.verbs[how]()
    sys.stdout.write(f"{managed} {how} in {time.monotonic() - begun_s:.1f} s\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
