"""Very many camera nodes that come back at once: real MQTT over TLS, a certificate each, the boxes' own back-off.

All in one thread, handshakes in a few others. Once it is let in each node says that it is there, sends its boot and
its health record as a greeting that is answered at once, and a verdict on each of its cameras, each a parcel of its
own, as they come one after the other. What is not receipted in time is sent again.
"""

from __future__ import annotations

import json
import queue
import random
import selectors
import ssl
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from edge.backoff import Backoff
from edge.sending import LIVE_TIMEOUT_S
from provisioning.throwaway import Authority
from stage.city import HOST
from stage.clients import Client, publish_packet, tls
from wire import encode
from wire.kinds import CLASS_STATUS, KIND_CAMERA, KIND_EVENT, KIND_HEALTH
from wire.receipt import decode_receipt
from wire.topics import birth, receipt, up

OUTBOX_ID: Final = 0xCA3E
BOOT_ID: Final = 0xB007
BOOTED_MS: Final = 30_000
HANDSHAKES: Final = 8  # at the same time
TURN_S: Final = 0.01
RESEND_LOOK_S: Final = 1.0
REASON: Final = "it shows what it usually shows at this light"

Row = tuple[int, int, int, int, bytes]  # seq, class, kind, check, body


def greeting(utc_ms: int) -> list[Row]:
    """The boot event and the first health record of a node."""
    at = (utc_ms, BOOT_ID, BOOTED_MS)
    bodies = [
        (KIND_EVENT, encode.event(at=at, name="boot", detail={"why": "power", "firmware": "1.0.0"})),
        (KIND_HEALTH, encode.health(at=at, rows=2, bytes_on_disk=40_960, uptime_s=30, firmware="1.0.0")),
    ]
    return [_row(seq, kind, body) for seq, (kind, body) in enumerate(bodies, 1)]


def verdicts(cameras: Sequence[str], utc_ms: int, *, first_seq: int) -> list[Row]:
    """One row for each camera, as a node that has looked at it for a while makes it."""
    return [
        _row(
            seq,
            KIND_CAMERA,
            encode.camera(
                at=(utc_ms, BOOT_ID, BOOTED_MS),
                camera=camera,
                verdict="seeing",
                confidence_percent=86,
                reason=REASON,
                frames_per_s_x100=1_200,
                bitrate_kbps=4_000,
                since_utc_ms=utc_ms,
            ),
        )
        for seq, camera in enumerate(cameras, first_seq)
    ]


def _row(seq: int, kind: int, body: bytes) -> Row:
    return seq, CLASS_STATUS, kind, encode.check(body), body


@dataclass(slots=True)
class Node:
    """One box."""

    name: str
    context: ssl.SSLContext
    backoff: Backoff
    try_s: float = 0.0
    client: Client | None = None
    connecting: Future[Client] | None = None
    said: bool = False
    sessions: int = 0
    unreceipted: dict[int, tuple[Row, float]] = field(default_factory=dict)  # by seq; and when it is sent again


class Storm(threading.Thread):
    """All nodes; `start` is when the power comes back, `stop` ends it. Figures may be read from any thread."""

    def __init__(
        self, authority: Authority, port: int, names: Sequence[str], cameras: Sequence[str], *, luck: random.Random
    ) -> None:
        super().__init__(name="storm")
        self.began_s = 0.0
        self.connected_s: list[float] = []  # when each was let in for the first time, by the monotonic clock
        self.refused = self.lost = self.resent = 0
        self._port, self._cameras = port, list(cameras)
        self._receipts: queue.SimpleQueue[tuple[Node, bytes]] = queue.SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._pool = ThreadPoolExecutor(HANDSHAKES, thread_name_prefix="storm")
        self._stop_asked = threading.Event()
        self._nodes = [self._node(authority, name, len(names), luck) for name in names]
        self._away = list(self._nodes)
        self._look_s = 0.0

    def run(self) -> None:
        self.began_s = time.monotonic()
        for node in self._nodes:
            node.try_s = self.began_s + node.backoff.after_loss()
        while not self._stop_asked.is_set():
            now_s = time.monotonic()
            self._away = [node for node in self._away if not self._let_in(node, now_s)]
            if now_s >= self._look_s:
                self._look_s = now_s + RESEND_LOOK_S
                self._overdue(now_s)
            self._listen()
        self._pool.shutdown(cancel_futures=True)
        for node in self._nodes:
            if node.client is not None:
                node.client.close()
        self._selector.close()

    def stop(self) -> None:
        self._stop_asked.set()
        if self.is_alive():
            self.join()

    # ---------------------------------------------------------------- coming back

    def _node(self, authority: Authority, name: str, fleet: int, luck: random.Random) -> Node:
        who = authority.ensure(name, "unit")
        context = tls(who.ca_path, who.certificate_path, who.key_path)
        return Node(name, context, Backoff(fleet, uniform=luck.uniform))

    def _let_in(self, node: Node, now_s: float) -> bool:
        """Whether it is connected now."""
        if node.connecting is None:
            if now_s >= node.try_s:
                node.connecting = self._pool.submit(self._handshake, node)
            return False
        if not node.connecting.done():
            return False
        connecting, node.connecting = node.connecting, None
        try:
            node.client = connecting.result()
        except OSError:
            self.refused += 1
            node.try_s = now_s + node.backoff.after_loss()
            return False
        self._selector.register(node.client, selectors.EVENT_READ, node)
        self._arrived(node, now_s)
        return True

    def _handshake(self, node: Node) -> Client:
        return Client(HOST, self._port, node.context, node.name, lambda _, said: self._receipts.put((node, said)))

    def _arrived(self, node: Node, now_s: float) -> None:
        node.sessions += 1
        if not node.said:
            self.connected_s.append(now_s)
        try:
            assert node.client is not None
            node.client.subscribe(receipt(node.name))
            words = {"online": True, "session": node.sessions, "firmware": "1.0.0", "outbox_id": OUTBOX_ID}
            node.client.send(publish_packet(birth(node.name), json.dumps(words).encode()))
            if node.said:
                return
            node.said, utc_ms = True, time.time_ns() // 1_000_000
            first = greeting(utc_ms)
            self._send(node, first, now_s, waiting_bytes=100)
            for row in verdicts(self._cameras, utc_ms, first_seq=len(first) + 1):
                self._send(node, [row], now_s)
        except OSError:
            self._gone(node, now_s)

    def _send(self, node: Node, rows: list[Row], now_s: float, *, waiting_bytes: int = 0) -> None:
        for row in rows:
            node.unreceipted[row[0]] = row, now_s + LIVE_TIMEOUT_S
        payload = encode.parcel(OUTBOX_ID, rows, waiting_bytes=waiting_bytes, session=node.sessions, boot_id=BOOT_ID)
        assert node.client is not None
        node.client.send(publish_packet(up(node.name), payload))

    def _overdue(self, now_s: float) -> None:
        for node in self._nodes:
            late = [row for row, again_s in node.unreceipted.values() if again_s <= now_s]
            if node.client is None or not late:
                continue
            self.resent += len(late)
            try:
                self._send(node, late, now_s)
            except OSError:
                self._gone(node, now_s)

    def _gone(self, node: Node, now_s: float) -> None:
        if node.client is not None:
            self._selector.unregister(node.client)
            node.client.close()
            node.client = None
            self.lost += 1
        node.try_s = now_s + node.backoff.after_loss()
        for seq, (row, _) in node.unreceipted.items():
            node.unreceipted[seq] = row, now_s  # as soon as it is back
        self._away.append(node)

    # ---------------------------------------------------------------- what comes down

    def _listen(self) -> None:
        for key, _ in self._selector.select(TURN_S):
            node: Node = key.data
            try:
                assert node.client is not None
                node.client.turn()
            except OSError:
                self._gone(node, time.monotonic())
        while not self._receipts.empty():
            node, payload = self._receipts.get()
            said = decode_receipt(payload)
            node.backoff.worked()
            for seq in [seq for seq in node.unreceipted if seq in said.ranges]:
                del node.unreceipted[seq]
