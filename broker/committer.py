"""The bridge's committing thread: parcels → one transaction → receipts, again and again.

Group commit without a timer: the next transaction takes what came during the last. A receipt goes out only after the
commit that stored its rows has returned.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol, TypeVar

from broker.lanes import Cost, Lanes, Numbers, Queued, Spent
from broker.presence import Heard
from broker.receipts import Gathered, Key, Receipts
from broker.store import Arrival, Outcome, Store, StoreUnavailable
from broker.tally import BULK, DUPLICATE, LIVE, POISON, Tally
from running.turns import Stop
from wire.decode import Parcel, decode_parcel, encode_receipt
from wire.errors import PeerViolation
from wire.inputs import SOS
from wire.kinds import CLASS_ALARM, KIND_EVENT, KIND_REPORTED, KIND_RESULT
from wire.ranges import MAX_SEQ, Ranges
from wire.topics import parse_unit_topic, receipt

log = logging.getLogger(__name__)

# A bridge of another store that this one has cut off (they may have one name) connects anew within 0.3 s and says so.
LISTEN_S: Final = 1.5
# When the broker remembers an elder bridge of another store under our name, that one may be alive, cut off by us: its
# pauses grow to 3 s, and a busy machine adds to them. Only a new store in a dead bridge's place waits this in vain.
LISTEN_LONG_S: Final = 20.0
NAME_EVERY_S: Final = 60.0  # who floods a lane does it thousands of times a second, and is named once in a while
IDLE_S: Final = 0.2  # the longest sleep of an idle committer, and how late it may hear of a stop
# A store that is not there is asked again after this long, doubling; nothing is receipted meanwhile.
FIRST_RETRY_S: Final = 0.1
SLOWEST_RETRY_S: Final = 5.0
# A commit of a few rows is all fixed cost (the disk's answer); it is left out of what a bulk byte costs.
FEW_ROWS: Final = 3
FIRST_FIXED_S: Final = 0.002
_FIXED_WEIGHT: Final = 1 / 20

# What one transaction may be in memory and time, whatever few bytes turn out to hold; and the parcel that reaches it.
GROUP_ROWS: Final = 5_000
GROUP_BYTES: Final = 8 * 1024 * 1024

# What a row's content may raise in the store's code. Never sqlite3's: a sick database must not make rows look guilty.
ROW_FAULTS: Final = (ArithmeticError, LookupError, TypeError, ValueError)
NOT_STORED: Final = Outcome(0)

# Where a test may kill the process: the names that `at` is called with; the store has those of the commit itself.
POINTS: Final = ("group:read", "receipt:owed", "receipt:handed")

PLAINLY_STORED: Final = int(Outcome.STORED)
ODD_FLAGS: Final = tuple(
    (int(flag), str(flag.name).lower())
    for flag in (Outcome.DUPLICATE, Outcome.CONFLICT, Outcome.UNDECODED, Outcome.FUTURE)
)

Found = TypeVar("Found")
_SOS: Final = SOS.encode()  # so the names of all events that the desk waits for begin
_ANSWERS: Final = (KIND_RESULT, KIND_REPORTED)  # kinds that the desk waits for


class Send(Protocol):
    """Publishes on the receipts connection; False when there is none."""

    def __call__(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A command's result, or what a unit reports of its configuration (`kind` tells which), that is stored.

    `again`: it was stored before, maybe by a bridge that was killed before it told anybody.
    """

    unit: str
    kind: int
    body: bytes
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An event of class alarm that is stored and may be of a call for help; `again` as of a Result."""

    unit: str
    body: bytes
    again: bool = False


@dataclass(slots=True, kw_only=True)
class Group:
    """What one transaction stores, and what was said about it before."""

    parcels: list[tuple[str, Parcel]] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    live: int = 0  # the first so many of the parcels came on the live lane
    live_rows: int = 0
    live_s: float = 0.0
    bulk_s: float = 0.0
    bulk_bytes: int = 0
    read_rows: int = 0  # the refused ones included
    read_bytes: int = 0

    @property
    def full(self) -> bool:
        """Whether the next parcel has to wait for the next transaction."""
        return self.read_rows >= GROUP_ROWS or self.read_bytes >= GROUP_BYTES


def reason(what: str, error: PeerViolation) -> str:
    """The name of a counter: what is behind the colon is one case's detail, and would make counters without end."""
    return f"{what}: {str(error).partition(':')[0]}"


# A unit's two topics come again with every parcel; 4 us saved on each. Bounded: names come from outside.
_named = lru_cache(maxsize=65_536)(parse_unit_topic)


class Committer:
    """Takes from `lanes`, stores, receipts through `send`; `told` gets presence and results and must only queue."""

    def __init__(
        self,
        lanes: Lanes,
        open_store: Callable[[], Store],
        send: Send,
        told: Callable[[list[Heard] | Result | Alarm], None],
        *,
        opened: Callable[[int], None] = lambda _store_id: None,
        receipts: Receipts | None = None,
        remember: Callable[[Store], None] = lambda _store: None,
        at: Callable[[str], None] = lambda _point: None,
    ) -> None:
        self.lanes = lanes
        self.silent_until_s = 0.0
        self.woken = threading.Event()  # set by the network thread after it put something into a lane
        self.counters: Counter[str] = Counter()
        self.tally = Tally()
        self._open_store = open_store
        self._opened = opened
        self._send = send
        self._told = told
        self._receipts = receipts or Receipts()
        self._remember = remember
        self._at = at
        self._cost = Cost(time.monotonic())
        self._numbers = Numbers()
        self._fixed_s = FIRST_FIXED_S
        self._name_from_s = 0.0

    def run(self, stop: Stop) -> None:
        """Until `stop`: then the running commit is finished and every receipt owed is sent."""
        store, _ = self._patiently(stop, self._open_store)
        if store is None:
            return
        self._opened(store.store_id)
        with store:
            while not stop.is_set():
                self._turn(store, stop)
            if time.monotonic() >= self.silent_until_s:
                self._send_receipts(store, self._receipts.all())

    def listen_first(self, for_s: float = LISTEN_S) -> None:
        """So long nothing is receipted, but all is stored: another bridge may be heard, to which this one yields.

        A box deletes what is receipted; what only a store has that nobody goes on with would be lost. Any thread.
        """
        self.silent_until_s = max(self.silent_until_s, time.monotonic() + for_s)

    def _due(self, now_s: float) -> Iterable[tuple[Key, Gathered]]:
        return self._receipts.due(now_s) if now_s >= self.silent_until_s else ()

    def _name_hogs(self, now_s: float) -> None:
        """Say who sends more than it may: its rows stay with it, and somebody should look at it or retire it."""
        for lane in (self.lanes.live, self.lanes.bulk):
            if lane.hog and now_s >= self._name_from_s:
                log.warning("%s: more than a unit may have waiting; %d such parcels dropped", lane.hog, lane.hogged)
                lane.hog, self._name_from_s = "", now_s + NAME_EVERY_S

    def _turn(self, store: Store, stop: Stop) -> None:
        self.woken.clear()
        if self.lanes:
            group = self._read(*self.lanes.take(self._cost))
            self._at("group:read")
            self.tally.begun_mono_s = time.monotonic()
            outcomes, took_s = self._patiently(stop, lambda: self._commit(store, group.arrivals))
            if outcomes is not None:
                self._settle(store, group, outcomes, took_s)
                self._remember(store)
        now_s = time.monotonic()
        self._name_hogs(now_s)
        self._send_receipts(store, self._due(now_s))
        if not self.lanes:
            wait_s = self._receipts.wait_s(now_s) if now_s >= self.silent_until_s else self.silent_until_s - now_s
            self.woken.wait(IDLE_S if wait_s is None else min(wait_s, IDLE_S))

    def _commit(self, store: Store, arrivals: list[Arrival]) -> list[Outcome]:
        """Commit them all; a row that the store's code stumbles over is found, counted, and not receipted."""
        try:
            return store.commit(arrivals)
        except ROW_FAULTS:
            if len(arrivals) == 1:
                log.exception("not stored: seq %d of %s", arrivals[0].seq, arrivals[0].unit)
                self.counters["poison_rows"] += 1
                return [NOT_STORED]
            half = len(arrivals) // 2
            return self._commit(store, arrivals[:half]) + self._commit(store, arrivals[half:])

    def _patiently(self, stop: Stop, attempt: Callable[[], Found]) -> tuple[Found | None, float]:
        """What `attempt` gives as soon as the store answers, and the seconds that took; None when stopped before."""
        since_s, delay_s = time.monotonic(), FIRST_RETRY_S
        while True:
            started_s = time.monotonic()
            try:
                found = attempt()
            except StoreUnavailable as error:
                log.log(logging.WARNING if delay_s == FIRST_RETRY_S else logging.DEBUG, "store unavailable: %s", error)
                self.counters["store_unavailable"] += 1
            else:
                if delay_s > FIRST_RETRY_S:
                    log.info("store available again after %.1f s", started_s - since_s)
                return found, time.monotonic() - started_s
            if stop.wait(delay_s):
                return None, 0.0
            delay_s = min(2 * delay_s, SLOWEST_RETRY_S)

    def _read(self, live: Iterable[Queued], bulk: Iterable[Queued]) -> Group:
        """Take and decode until the group is full; what breaks the contract is counted by reason and dropped."""
        utc_less_mono_ms = time.time() * 1000 - time.monotonic() * 1000
        group, started_s = Group(), time.monotonic()
        for queued in live:
            self._read_one(queued, group, utc_less_mono_ms)
            if group.full:
                break
        group.live, group.live_rows = len(group.parcels), len(group.arrivals)
        live_done_s = time.monotonic()
        for queued in () if group.full else bulk:
            group.bulk_bytes += len(queued.payload)
            if self._read_one(queued, group, utc_less_mono_ms):
                self._numbers.used(len(queued.payload))
            if group.full:
                break
        group.live_s, group.bulk_s = live_done_s - started_s, time.monotonic() - live_done_s
        return group

    def _read_one(self, queued: Queued, group: Group, utc_less_mono_ms: float) -> bool:
        """Whether it was a parcel whose unit has more waiting."""
        named = _named(queued.topic)
        if named is None:  # also what a certificate named bridge… or city… sends as if it were a unit
            self.counters["refused_topic"] += 1
            return False
        try:
            parcel = decode_parcel(queued.payload)
        except PeerViolation as error:
            self.counters[reason("malformed", error)] += 1
            return False
        unit, leaf = named
        at_utc_ms = int(queued.at_mono_s * 1000 + utc_less_mono_ms)
        outbox_id, session = parcel.outbox_id, parcel.session
        boot_id, sent_ms = parcel.boot_id, parcel.sent_boottime_ms
        if sent_ms is not None and sent_ms > MAX_SEQ:
            sent_ms = None  # no clock of a boot: the field has 64 bits, SQLite's integers 63
        group.parcels.append((unit, parcel))
        group.heard.append(Heard(unit, session, outbox_id, parcel.waiting_bytes, leaf == "bulk", at_utc_ms))
        group.arrivals += [
            Arrival(unit, outbox_id, row.seq, row.cls, row.kind, row.body, at_utc_ms, session, boot_id, sent_ms)
            for row in parcel.rows
        ]
        group.read_rows += len(parcel.rows) + len(parcel.refused)
        group.read_bytes += sum(len(row.body) for row in parcel.rows)
        return parcel.waiting_bytes > 0

    def _settle(self, store: Store, group: Group, outcomes: list[Outcome], took_s: float) -> None:
        """The group is stored: note what each unit is to be told, send what is due, learn what it cost."""
        started_s = time.monotonic()
        after = iter(outcomes)
        odd: tuple[Counter[str], Counter[str]] = Counter(), Counter()
        for index, (unit, parcel) in enumerate(group.parcels):
            bulk = index >= group.live
            self._note(unit, parcel, [next(after) for _ in parcel.rows], bulk=bulk, odd=odd[bulk])
        self.counters["groups"] += 1
        self.counters["rows"] += len(outcomes)
        self.tally.group(LIVE, group.live, group.live_rows, odd[False])
        self.tally.group(BULK, len(group.parcels) - group.live, len(outcomes) - group.live_rows, odd[True])
        self.tally.committed(len(outcomes), took_s, started_s)
        self._told(group.heard)
        self._send_receipts(store, self._due(started_s))
        self._learn(group, len(outcomes), took_s, time.monotonic() - started_s)

    def _note(self, unit: str, parcel: Parcel, outcomes: list[Outcome], *, bulk: bool, odd: Counter[str]) -> None:
        now_s = time.monotonic()
        checks = {row.seq: row.check for row, outcome in zip(parcel.rows, outcomes, strict=True) if outcome}
        gathered = self._receipts.stored(unit, parcel.outbox_id, checks, now_mono_s=now_s)
        at_once = bulk or self._receipts.greets(unit, parcel.session)
        for row, outcome in zip(parcel.rows, outcomes, strict=True):
            at_once = at_once or row.cls == CLASS_ALARM
            again = not outcome & Outcome.STORED
            if row.kind in _ANSWERS and outcome:
                self._told(Result(unit=unit, kind=row.kind, body=row.body, again=again))
            if row.cls == CLASS_ALARM and row.kind == KIND_EVENT and _SOS in row.body and outcome:
                self._told(Alarm(unit=unit, body=row.body, again=again))
            if outcome != PLAINLY_STORED:  # flags are slow: a microsecond each
                self._count(outcome, odd)
                if outcome & Outcome.CONFLICT:
                    gathered.new_outbox = at_once = True
        if parcel.refused:
            self.counters["refused_rows"] += len(parcel.refused)
            gathered.refused.update(parcel.refused)
            at_once = True
        if parcel.waiting_bytes:
            at_once = True
            if gathered.bulk_after_ms is None:  # two asks in one group draw one number
                gathered.bulk_after_ms = self._numbers.draw(parcel.waiting_bytes, now_mono_s=now_s, cost=self._cost)
        if at_once:
            self._receipts.hurry(unit, parcel.outbox_id)

    def _count(self, outcome: Outcome, odd: Counter[str]) -> None:
        bits = int(outcome)
        if not bits & PLAINLY_STORED:
            odd[DUPLICATE if bits else POISON] += 1
        for flag, name in ODD_FLAGS:
            if bits & flag:
                self.counters[name] += 1

    def slot_distance_s(self, now_mono_s: float) -> float:
        """How far ahead the next number to be drawn lies; from any thread."""
        return self._numbers.distance_s(now_mono_s)

    def _send_receipts(self, store: Store, due: Iterable[tuple[Key, Gathered]]) -> None:
        for (unit, outbox_id), gathered in due:
            payload = encode_receipt(
                outbox_id,
                Ranges(gathered.ranges()),
                gathered.range_checks(),
                utc_ms=int(time.time() * 1000),
                store_id=store.store_id,
                bulk_after_ms=gathered.bulk_after_ms,
                new_outbox=gathered.new_outbox,
                high_seq=self._higher_seq(store, unit, outbox_id, gathered.highest_seq()),
                refused=sorted(gathered.refused),
            )
            self._at("receipt:owed")
            sent = self._send(receipt(unit), payload)
            self.counters["receipts" if sent else "receipts_unsent"] += 1
            if sent:
                self._at("receipt:handed")

    def _higher_seq(self, store: Store, unit: str, outbox_id: int, named: int) -> int:
        """The store's highest seq of the outbox when that is above what the receipt names, else 0 (not sent)."""
        try:
            high = store.high_seq(unit, outbox_id)
        except StoreUnavailable:
            return 0  # only a hint; the receipt itself is for what has been committed
        return high if high > named else 0

    def _learn(self, group: Group, rows: int, commit_s: float, receipts_s: float) -> None:
        if rows and rows <= FEW_ROWS:
            self._fixed_s += _FIXED_WEIGHT * (commit_s - self._fixed_s)
        insert_s = max(commit_s - self._fixed_s, commit_s / 2)
        live_of_rows = group.live_rows / rows if rows else 0.0
        live_of_parcels = group.live / len(group.parcels) if group.parcels else 0.0
        self._cost.spent(
            Spent(
                at_mono_s=time.monotonic(),
                live_s=group.live_s + insert_s * live_of_rows + receipts_s * live_of_parcels,
                live_parcels=group.live,
                bulk_s=group.bulk_s + insert_s * (1 - live_of_rows) + receipts_s * (1 - live_of_parcels),
                bulk_bytes=group.bulk_bytes,
            )
        )
