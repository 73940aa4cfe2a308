"""Very many units in one thread: real MQTT over TLS, a certificate each, the rule of the uplink as boxes keep it.

All have the same records under their own names: payloads are made once. A member connects by the boxes' own back-off,
greets with its newest row, draws numbers, sends one bulk parcel for each, newest first, and a live row all the while.
"""

from __future__ import annotations

import queue
import random
import selectors
import ssl
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from edge.backoff import Backoff
from edge.sending import ASK_EVERY_S, BUCKET_BURST_BYTES, BUCKET_BYTES_PER_S, BULK_TIMEOUT_S, LIVE_TIMEOUT_S, Bucket
from edge.sim.drive import drive
from stage.city import HOST, City
from stage.clients import Client, publish_packet, tls
from wire.columns import encode_track
from wire.encode import check, packed_parcel, parcel, rows_message
from wire.kinds import CLASS_ALARM, CLASS_TRACK, KIND_TRACK
from wire.pack import pack_rows
from wire.receipt import decode_receipt
from wire.topics import bulk, receipt, up

ROW_FIXES: Final = 10
PARCEL_ROWS: Final = 150  # of lossless rows: about what a bulk parcel's 16 kB take
NAMES: Final = "crowd-"
OUTBOX_ID: Final = 0xC0DE
ALARM_EVERY: Final = 4  # live rows: an alarm's receipt comes at once, and tells when it was stored
TURN_S: Final = 0.02
FLEET_UNITS: Final = 3_000  # what a city's boxes are delivered with: they come back spread over 6 s
CONNECTING: Final = 8  # handshakes at the same time


@dataclass(frozen=True, slots=True)
class Parcel:
    """A bulk parcel of the backlog: its payload, its first and last seq."""

    payload: bytes
    first: int
    last: int


class Backlog:
    """What every member has waiting: `rows` rows of a drive that ended just now, as bulk parcels, newest first."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        begin_ms = time.time_ns() // 1_000_000 - rows * ROW_FIXES * 1000
        seen = (o for o in drive(begin_ms, cold_start=False) if o.lat_deg is not None and o.lon_deg is not None)
        fixes = (
            (o.utc_ms, round((o.lat_deg or 0) * 1e7), round((o.lon_deg or 0) * 1e7), 1000, 1100, 0, 90, 9) for o in seen
        )
        bodies = [encode_track(list(islice(fixes, ROW_FIXES))) for _ in range(rows)]
        self.newest = bodies[-1]
        # Full ones from the newest on, as a box fills them: what is left for the last is the oldest.
        self.parcels = [self._parcel(bodies, last) for last in range(rows, 0, -PARCEL_ROWS)]
        self.bytes = sum(len(one.payload) for one in self.parcels)

    def _parcel(self, bodies: Sequence[bytes], last: int) -> Parcel:
        first = max(1, last - PARCEL_ROWS + 1)
        rows = [
            (seq, CLASS_TRACK, KIND_TRACK, check(bodies[seq - 1]), bodies[seq - 1]) for seq in range(first, last + 1)
        ]
        # That more waits draws the next number; how much is only a measure (a row has some 80 B).
        waiting = 0 if first == 1 else first * 80
        payload = packed_parcel(OUTBOX_ID, pack_rows(rows_message(rows)), waiting_bytes=waiting, session=1, boot_id=1)
        return Parcel(payload, first, last)


@dataclass(slots=True)
class Member:
    """One unit: what it has sent and what was receipted."""

    name: str
    context: ssl.SSLContext
    backoff: Backoff
    bucket: Bucket
    waiting: list[Parcel]  # the newest is the last
    live_seq: int
    live_s: float
    client: Client | None = None
    connecting: Future[Client] | None = None
    try_s: float = 0.0
    flight: Parcel | None = None
    flight_until_s: float = 0.0
    number_s: float | None = None
    asked_s: float = float("-inf")
    unreceipted: dict[int, float] = field(default_factory=dict)  # seqs of live rows, and when they were sent


class Crowd(threading.Thread):
    """All members; runs until `stop`. Its figures may be read at any time, from any thread."""

    def __init__(
        self,
        city: City,
        units: int,
        backlog: Backlog,
        *,
        live_every_s: float,
        luck: random.Random,
        bucket_bytes_per_s: float = BUCKET_BYTES_PER_S,
    ) -> None:
        super().__init__(name="crowd")
        self.connected_s: list[float] = []  # when each was connected for the first time, by the monotonic clock
        self.stored_after_s: list[float] = []  # of live rows, as far as receipts tell
        self.sent_bytes = self.bulk_again = self.live_again = self.lost_connections = 0
        self.live_rows = self.live_bytes = 0  # different ones
        self._backlog = backlog
        self._live_every_s = live_every_s
        self._live_allowed = True
        self._again: list[Member] = []
        self._stop_asked = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._city = city
        self._pool = ThreadPoolExecutor(CONNECTING, thread_name_prefix="crowd")
        self._receipts: queue.SimpleQueue[tuple[Member, bytes]] = queue.SimpleQueue()
        self.members = [self._member(f"{NAMES}{n}", luck, bucket_bytes_per_s) for n in range(units)]

    @property
    def drained(self) -> bool:
        """Nothing waits and nothing is on its way, but for live rows whose receipts are gathered."""
        return not any(member.waiting or member.flight for member in list(self.members))

    def say_again(self) -> None:
        """No new live rows; those without a receipt once more: what nobody heard while the bridge was away."""
        self._again = [member for member in self.members if member.unreceipted]
        self._live_allowed = False

    def run(self) -> None:
        while not self._stop_asked.is_set():
            now_s = time.monotonic()
            for member in self.members:
                self._turn(member, now_s)
            while self._again and not self._live_allowed:
                self._all_live(self._again.pop(), now_s)
            self._listen(TURN_S)
        self._pool.shutdown()
        for member in self.members:
            if member.client is not None:
                member.client.close()
        self._selector.close()

    def stop(self) -> None:
        self._stop_asked.set()
        if self.is_alive():
            self.join()

    # ---------------------------------------------------------------- one member's turn

    def _member(self, name: str, luck: random.Random, bytes_per_s: float) -> Member:
        who = self._city.authority.ensure(name, "unit")
        backoff = Backoff(FLEET_UNITS, uniform=luck.uniform)
        return Member(
            name=name,
            context=tls(who.ca_path, who.certificate_path, who.key_path),
            backoff=backoff,
            bucket=Bucket(bytes_per_s, BUCKET_BURST_BYTES),
            waiting=list(reversed(self._backlog.parcels)),
            live_seq=self._backlog.rows,
            live_s=0.0,
            try_s=time.monotonic() + backoff.after_loss(),
        )

    def _turn(self, member: Member, now_s: float) -> None:
        if member.client is None:
            self._connect(member, now_s)
            return
        try:
            if now_s >= member.live_s and self._live_allowed:
                member.live_s = max(member.live_s + self._live_every_s, now_s)
                self._live(member, now_s)
            if member.flight is not None and now_s > member.flight_until_s:
                member.waiting.append(member.flight)
                member.flight = None
                self.bulk_again += 1
            if member.number_s is not None and now_s >= member.number_s and member.flight is None:
                self._bulk(member, now_s)
        except OSError:
            self._lost(member, now_s)

    def _connect(self, member: Member, now_s: float) -> None:
        if member.connecting is None:
            if now_s >= member.try_s:
                member.connecting = self._pool.submit(self._handshake, member)
            return
        if not member.connecting.done():
            return
        connecting, member.connecting = member.connecting, None
        try:
            member.client = connecting.result()
            member.client.subscribe(receipt(member.name))
        except OSError:
            member.try_s = now_s + member.backoff.after_loss()
            return
        self._selector.register(member.client, selectors.EVENT_READ, member)
        member.live_s = now_s  # a greeting
        self.connected_s.append(now_s)

    def _handshake(self, member: Member) -> Client:
        return Client(
            HOST, self._city.port, member.context, member.name, lambda _, said: self._receipts.put((member, said))
        )

    def _lost(self, member: Member, now_s: float) -> None:
        if member.client is not None:
            self._selector.unregister(member.client)
            member.client.close()
            member.client = None
            self.lost_connections += 1
        member.try_s = now_s + member.backoff.after_loss()

    def _live(self, member: Member, now_s: float) -> None:
        """The next row, or the oldest one whose receipt is overdue; it asks for a number when one is needed."""
        overdue = next((seq for seq, at_s in member.unreceipted.items() if now_s - at_s > LIVE_TIMEOUT_S), None)
        if overdue is None:
            member.live_seq += 1
            self.live_rows += 1
        else:
            self.live_again += 1
        seq = member.live_seq if overdue is None else overdue
        ask = member.number_s is None and bool(member.waiting) and now_s - member.asked_s > ASK_EVERY_S
        if ask:
            member.asked_s = now_s
        cls = CLASS_TRACK if seq % ALARM_EVERY else CLASS_ALARM
        row = (seq, cls, KIND_TRACK, check(self._backlog.newest), self._backlog.newest)
        payload = parcel(OUTBOX_ID, [row], waiting_bytes=len(member.waiting) * 15_000 if ask else 0)
        if overdue is None:
            self.live_bytes += len(payload)
        member.unreceipted.pop(seq, None)
        member.unreceipted[seq] = now_s  # the newest is the last
        self._send(member, up(member.name), payload)

    def _all_live(self, member: Member, now_s: float) -> None:
        if member.client is None:
            return
        newest = self._backlog.newest
        rows = [(seq, CLASS_TRACK, KIND_TRACK, check(newest), newest) for seq in sorted(member.unreceipted)]
        try:
            self._send(member, up(member.name), parcel(OUTBOX_ID, rows))
        except OSError:
            self._lost(member, now_s)

    def _bulk(self, member: Member, now_s: float) -> None:
        if not member.waiting:
            member.number_s = None
        elif member.bucket.ready_s(len(member.waiting[-1].payload), now_s) <= now_s:
            member.number_s = None
            member.flight = member.waiting.pop()
            member.flight_until_s, member.asked_s = now_s + BULK_TIMEOUT_S, now_s
            member.bucket.spend(len(member.flight.payload))
            self._send(member, bulk(member.name), member.flight.payload)

    def _send(self, member: Member, topic: str, payload: bytes) -> None:
        self.sent_bytes += len(payload)
        assert member.client is not None
        member.client.send(publish_packet(topic, payload))

    # ---------------------------------------------------------------- what comes down

    def _listen(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            member: Member = key.data
            try:
                assert member.client is not None
                member.client.turn()
            except OSError:
                self._lost(member, time.monotonic())
        while not self._receipts.empty():
            self._take(*self._receipts.get(), time.monotonic())

    def _take(self, member: Member, payload: bytes, now_s: float) -> None:
        said = decode_receipt(payload)
        if said.bulk_after_ms is not None:
            member.number_s = now_s + said.bulk_after_ms / 1000
        flight = member.flight
        if flight is not None and flight.first in said.ranges and flight.last in said.ranges:
            member.flight = None
            member.backoff.worked()
        for seq in [seq for seq in member.unreceipted if seq in said.ranges]:
            at_s = member.unreceipted.pop(seq)
            if not seq % ALARM_EVERY:
                self.stored_after_s.append(now_s - at_s)
