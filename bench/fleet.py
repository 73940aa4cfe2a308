"""A fleet of units that obey the numbers, as cheap as can be: the parcels are made before the clock starts."""

from __future__ import annotations

import heapq
import math
import selectors
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from stage.city import HOST, City
from stage.clients import Client, publish_packet, tls, turn_all
from wire.columns import encode_track
from wire.encode import check, packed_parcel, parcel, rows_message
from wire.kinds import CLASS_TRACK, KIND_TRACK
from wire.pack import pack_rows
from wire.receipt import Receipt, decode_receipt
from wire.topics import bulk, receipt, up

Fix8 = tuple[int, int, int, int | None, int | None, int | None, int | None, int | None]
ROW_FIXES: Final = 10
ROWS_A_BULK_PARCEL: Final = 150  # lossless rows of real drives: about 15 kB packed
RESEND_BULK_S: Final = 30.0
ASK_AGAIN_S: Final = 30.0
LIVE_WAITING: Final = 2_000  # rows on their way: about what two transactions take
LIVE_TURN_S: Final = 0.005


@dataclass(slots=True)
class Ready:
    """A parcel that waits to be sent: its packet, its rows' seqs, its fixes."""

    packet: bytes
    first_seq: int
    last_seq: int
    fixes: int


@dataclass(slots=True)
class Load:
    """One unit of the fleet."""

    name: str
    client: Client
    bulk: list[Ready]
    ask: bytes
    flight: Ready | None = None
    flight_s: float = 0.0
    asked_s: float = 0.0
    resent: int = 0
    number: bool = False
    stored_fixes: int = 0
    receipted_rows: int = 0
    sent_bytes: int = 0
    receipts: list[Receipt] = field(default_factory=list)


def parcels(unit: str, fixes: Sequence[Fix8], count: int, *, outbox_id: int) -> tuple[list[Ready], bytes]:
    """`count` bulk parcels of a drive repeated in time, and a live parcel that asks for the first number."""
    bodies = _bodies(fixes, 1, count * ROWS_A_BULK_PARCEL)
    ready = []
    for index in range(count):
        first = index * ROWS_A_BULK_PARCEL + 1
        rows = [
            (seq, CLASS_TRACK, KIND_TRACK, check(bodies[seq - 1]), bodies[seq - 1])
            for seq in range(first, first + ROWS_A_BULK_PARCEL)
        ]
        left = (count - index - 1) * 15_000
        payload = packed_parcel(outbox_id, pack_rows(rows_message(rows)), waiting_bytes=left, session=1, boot_id=1)
        ready.append(Ready(publish_packet(bulk(unit), payload), first, rows[-1][0], ROWS_A_BULK_PARCEL * ROW_FIXES))
    last = count * ROWS_A_BULK_PARCEL + 1
    live = [(last, CLASS_TRACK, KIND_TRACK, check(bodies[-1]), bodies[-1])]
    ask = parcel(outbox_id, live, waiting_bytes=count * 15_000, session=1, boot_id=1)
    return ready[::-1], publish_packet(up(unit), ask)


def live_parcels(
    unit: str, fixes: Sequence[Fix8], count: int, *, outbox_id: int, first_seq: int, last_asks: bool = False
) -> list[bytes]:
    """`count` rows as a unit sends them while it drives: each a PUBLISH of its own on the live lane.

    `last_asks`: the last one says that a little waits, so that its receipt comes at once, with all before it.
    """
    last = first_seq + count - 1
    return [
        publish_packet(up(unit), parcel(outbox_id, [row], waiting_bytes=int(last_asks and row[0] == last)))
        for row in (
            (seq, CLASS_TRACK, KIND_TRACK, check(body), body)
            for seq, body in enumerate(_bodies(fixes, first_seq, count), first_seq)
        )
    ]


def _bodies(fixes: Sequence[Fix8], first_row: int, count: int) -> list[bytes]:
    """Rows of a drive that is driven again and again, each time later."""
    bodies = []
    drive_ms = fixes[-1][0] - fixes[0][0] + 1000
    for row in range(first_row, first_row + count):
        again, begin = divmod(row * ROW_FIXES, len(fixes) - ROW_FIXES)
        shift_ms = again * drive_ms
        bodies.append(encode_track([(f[0] + shift_ms, *f[1:]) for f in fixes[begin : begin + ROW_FIXES]]))
    return bodies


class Fleet:
    """Connects them all, and lets each send its backlog by the numbers it draws."""

    def __init__(self, city: City, made: dict[str, tuple[list[Ready], bytes]]) -> None:
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[float, str]] = []
        self.units: dict[str, Load] = {}
        for name, (ready, ask) in made.items():
            who = city.credentials(name)
            context = tls(who.ca_path, who.certificate_path, who.key_path)
            client = Client(HOST, city.port, context, name, self._taker(name))
            client.subscribe(receipt(name))
            self._selector.register(client, selectors.EVENT_READ)
            self.units[name] = Load(name, client, list(ready), ask)

    def ask(self) -> None:
        """Every unit's live parcel, which asks for its first number."""
        for unit in self.units.values():
            unit.asked_s = time.monotonic()
            unit.client.send(unit.ask)

    def drain(self, deadline_s: float) -> float:
        """Until everything is receipted; seconds it took. Raises TimeoutError."""
        begun = time.monotonic()
        while any(unit.bulk or unit.flight for unit in self.units.values()):
            now = time.monotonic()
            if now - begun > deadline_s:
                left = sum(len(unit.bulk) for unit in self.units.values())
                raise TimeoutError(f"{left} parcels not receipted after {deadline_s} s")
            while self._due and self._due[0][0] <= now:
                self._send(self.units[heapq.heappop(self._due)[1]], now)
            self._overdue(now)
            wait_s = self._due[0][0] - now if self._due else 0.05
            turn_all(self._selector, min(0.05, max(0.0, wait_s)))
        return time.monotonic() - begun

    def live(
        self, packets: Iterator[tuple[str, bytes]], stored: Callable[[], int], deadline_s: float, per_s: float
    ) -> float:
        """Send live parcels, `per_s`, never more than LIVE_WAITING ahead of what is stored.

        Seconds until all are stored; raises TimeoutError.
        """
        begun, sent = time.monotonic(), 0
        while (took_s := time.monotonic() - begun) < deadline_s:
            kept = stored()
            allowed = math.ceil(min(kept + LIVE_WAITING, 1 + per_s * took_s))
            for name, packet in islice(packets, max(0, allowed - sent)):
                self.units[name].client.send(packet)
                sent += 1
            if kept >= sent < allowed:
                return took_s
            turn_all(self._selector, LIVE_TURN_S)
        raise TimeoutError(f"{sent - stored()} live parcels not stored after {deadline_s} s")

    def until_receipted(self, rows: int, deadline_s: float) -> None:
        """Wait until so many rows of all units together are receipted; raises TimeoutError."""
        begun = time.monotonic()
        while (receipted := sum(unit.receipted_rows for unit in self.units.values())) < rows:
            if time.monotonic() - begun > deadline_s:
                raise TimeoutError(f"{rows - receipted} rows not receipted after {deadline_s} s")
            turn_all(self._selector, LIVE_TURN_S)

    def close(self) -> None:
        for unit in self.units.values():
            unit.client.close()
        self._selector.close()

    @property
    def stored_fixes(self) -> int:
        return sum(unit.stored_fixes for unit in self.units.values())

    def _send(self, unit: Load, now: float) -> None:
        unit.number = False
        if unit.flight is None and unit.bulk:
            unit.flight = unit.bulk.pop()
        if unit.flight is not None:
            unit.flight_s = now
            unit.sent_bytes += len(unit.flight.packet)
            unit.client.send(unit.flight.packet)

    def _overdue(self, now: float) -> None:
        """No receipt in time: the rows wait for a number again, which a live parcel asks for."""
        for unit in self.units.values():
            waits = unit.bulk or unit.flight
            held = unit.flight is not None and now - unit.flight_s < RESEND_BULK_S
            if waits and not held and not unit.number and now - unit.asked_s > ASK_AGAIN_S:
                unit.asked_s = now
                unit.resent += 1
                unit.client.send(unit.ask)

    def _taker(self, name: str):  # type: ignore[no-untyped-def]  # a callback of Client
        def take(_topic: str, payload: bytes) -> None:
            unit, said = self.units[name], decode_receipt(payload)
            unit.receipted_rows += said.ranges.count()
            if unit.flight is not None and unit.flight.first_seq in said.ranges and unit.flight.last_seq in said.ranges:
                unit.stored_fixes += unit.flight.fixes
                unit.flight = None
            if said.bulk_after_ms is not None and (unit.bulk or unit.flight):
                unit.number = True
                heapq.heappush(self._due, (time.monotonic() + said.bulk_after_ms / 1000, name))

        return take
