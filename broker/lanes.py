"""The bridge's queueing policy, pure: two bounded lanes, groups of 100 ms of work, and the numbers units draw.

The rule, its parameters and the simulation behind them: docs/uplink.md. Lanes alone keep live
positions on time under any backlog, numbers alone keep the data plan; both are needed, and then nothing else is.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

GROUP_S: Final = 0.1  # work a transaction: longer makes live rows wait, shorter pays more commits
LANE_S: Final = 2.0  # work the bulk lane may hold; more than a unit's patience would be resent anyway
LANE_LIMIT_BYTES: Final = 32 * 1024 * 1024  # whatever the cost: a lane is memory of this process
# A store that was just slow must not close the lane for good; and numbers were given by what a byte cost before: a
# bridge that has just started, or turns out slower, gets 250 parcels sooner than it takes them [with 1 MiB 12 of 800
# were dropped on a machine three times slower than FIRST_COST_S, and came again only 30 s later].
LANE_LEAST_BYTES: Final = 4 * 1024 * 1024
# What one unit may hold in a lane: the largest parcel (a snapshot) and what may come beside it. Who keeps to its
# numbers holds a parcel or two; more is a unit gone wild, and what it has queued all others would wait for.
UNIT_LIMIT_BYTES: Final = 512 * 1024
MESSAGE_BYTES: Final = 300  # what a queued message weighs beside its payload, so that empty ones are bounded too
BULK_PARCEL_BYTES: Final = 16 * 1024  # the most one number is for
FIRST_COST_S: Final = 0.5e-6  # seconds a bulk byte, 50 us a row of 100 B; four times off heals within seconds
FIRST_LIVE_S: Final = 100e-6  # seconds a live parcel, before the first was timed
COST_WEIGHT: Final = 1 / 20
FULL_SHARE: Final = 0.97  # of the wall clock; the rest is commits
LEAST_SHARE: Final = 0.1  # what bulk gets even when live alone fills the clock
SHARE_WINDOW_S: Final = 5.0


class Queued(NamedTuple):
    """One publish as it came: topic, payload, and when by the monotonic clock in seconds."""

    topic: str
    payload: bytes
    at_mono_s: float


class Lane:
    """A queue bounded in bytes, in all and for each topic, from which topics are taken by turns.

    So a parcel waits for one of each other unit, however many one of them has queued and whatever they cost to read.
    One thread puts, one takes, and each writes its own counters (no lock).
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.dropped = 0
        self.hogged = 0  # of the dropped: their unit held its own limit already
        self.hog = ""  # the topic of the last of them
        self._arrived: deque[Queued] = deque()  # put, and not yet seen by who takes
        self._turns: OrderedDict[str, deque[Queued]] = OrderedDict()  # by topic, the next one first; the taker's
        self._next: Queued | None = None  # of them
        self._put_count = self._taken_count = 0
        self._put_bytes = 0
        self._taken_bytes = 0
        # By topic, as many as there are units: the access list lets each certificate write its own topics only.
        self._put_of: defaultdict[str, int] = defaultdict(int)
        self._taken_of: defaultdict[str, int] = defaultdict(int)

    def put(self, queued: Queued) -> None:
        """Queue it, or drop and count it: what is not receipted stays with the unit."""
        weight = len(queued.payload) + MESSAGE_BYTES
        if self._put_bytes - self._taken_bytes + weight > self.limit_bytes:
            self.dropped += 1
            return
        topic = queued.topic
        if self._put_of[topic] - self._taken_of.get(topic, 0) + weight > UNIT_LIMIT_BYTES:
            self.dropped += 1
            self.hogged += 1
            self.hog = topic
            return
        self._put_of[topic] += weight
        self._put_bytes += weight
        self._arrived.append(queued)
        self._put_count += 1  # last: what is counted can be taken

    def take(self) -> Queued:
        """The oldest of the topic whose turn it is; raises KeyError when empty."""
        while self._arrived:
            arrived = self._arrived.popleft()
            self._turns.setdefault(arrived.topic, deque()).append(arrived)
        topic, waiting = self._turns.popitem(last=False)
        queued = waiting.popleft()
        if waiting:
            self._turns[topic] = waiting
        self._next = next(iter(self._turns.values()))[0] if self._turns else None
        self._taken_count += 1
        weight = len(queued.payload) + MESSAGE_BYTES
        self._taken_of[queued.topic] += weight
        self._taken_bytes += weight
        return queued

    @property
    def held_bytes(self) -> int:
        return self._put_bytes - self._taken_bytes

    def waited_s(self, now_mono_s: float) -> float:
        """How long the one whose turn is next has waited, 0 when none does; from any thread."""
        try:
            return max(0.0, now_mono_s - (self._next or self._arrived[0]).at_mono_s)
        except IndexError:  # empty, maybe only now
            return 0.0

    def __len__(self) -> int:
        return self._put_count - self._taken_count


class Lanes:
    """The live and the bulk lane, and the forming of groups: live first, then bulk, until GROUP_S of work."""

    def __init__(self) -> None:
        self.live = Lane(LANE_LIMIT_BYTES)
        self.bulk = Lane(LANE_LIMIT_BYTES)

    def take(self, cost: Cost) -> tuple[Iterator[Queued], Iterator[Queued]]:
        """The next transaction's live and bulk parcels, in this order; what is not asked for stays in its lane."""
        self.bulk.limit_bytes = cost.bulk_bytes_of(LANE_S)
        work_s = 0.0

        def live() -> Iterator[Queued]:
            nonlocal work_s
            while self.live and work_s < GROUP_S:
                work_s += cost.live_s
                yield self.live.take()

        def bulk() -> Iterator[Queued]:
            nonlocal work_s
            while self.bulk and work_s < GROUP_S:
                taken = self.bulk.take()
                work_s += len(taken.payload) * cost.bulk_byte_s
                yield taken

        return live(), bulk()

    def __bool__(self) -> bool:
        return bool(self.live) or bool(self.bulk)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one group took, in seconds of decode, insert and receipts; the commit itself is left out."""

    at_mono_s: float
    live_s: float
    live_parcels: int
    bulk_s: float
    bulk_bytes: int


class Cost:
    """What a live parcel and a bulk byte cost, and the share of the wall clock that live takes."""

    def __init__(self, now_mono_s: float) -> None:
        self.live_s = FIRST_LIVE_S
        self.bulk_byte_s = FIRST_COST_S
        self._bulk_groups = self._live_groups = 0
        self._start_s = now_mono_s
        self._window: deque[tuple[float, float]] = deque()
        self._window_live_s = 0.0

    def spent(self, spent: Spent) -> None:
        """Learn from one group."""
        if spent.bulk_bytes:
            self._bulk_groups += 1
            self.bulk_byte_s += _weight(self._bulk_groups) * (spent.bulk_s / spent.bulk_bytes - self.bulk_byte_s)
        if spent.live_parcels:
            self._live_groups += 1
            self.live_s += _weight(self._live_groups) * (spent.live_s / spent.live_parcels - self.live_s)
            self._window.append((spent.at_mono_s, spent.live_s))
            self._window_live_s += spent.live_s

    def live_share(self, now_mono_s: float) -> float:
        """Live seconds per second of the wall clock over the last SHARE_WINDOW_S, 0..1."""
        while self._window and self._window[0][0] <= now_mono_s - SHARE_WINDOW_S:
            self._window_live_s -= self._window.popleft()[1]
        if not self._window:
            self._window_live_s = 0.0  # no rounding error outlives the window
        wall_s = min(SHARE_WINDOW_S, max(now_mono_s - self._start_s, 1.0))
        return min(1.0, max(0.0, self._window_live_s) / wall_s)

    def bulk_bytes_of(self, work_s: float) -> int:
        """How many bulk bytes are `work_s` seconds of work, within the lane's bounds."""
        return int(min(LANE_LIMIT_BYTES, max(LANE_LEAST_BYTES, work_s / max(self.bulk_byte_s, 1e-9))))


def _weight(groups: int) -> float:
    """A plain mean of the first guess and the first groups, so that a far slower store is known within a few."""
    return max(COST_WEIGHT, 1 / (groups + 1))


class Numbers:
    """One number for all units: when the next bulk parcel may be sent. No state a unit."""

    def __init__(self) -> None:
        self._slot_mono_s = 0.0
        self._parcel_bytes = float(BULK_PARCEL_BYTES)

    def used(self, parcel_bytes: int) -> None:
        """A number was used for a parcel of that size, and more waits: so large are parcels that could be full.

        Units on slow uplinks send less than a number allows; time kept for the rest would be lost to all.
        """
        self._parcel_bytes += COST_WEIGHT * (min(parcel_bytes, BULK_PARCEL_BYTES) - self._parcel_bytes)

    def distance_s(self, now_mono_s: float) -> float:
        """How long a unit that asked now would be told to wait."""
        return max(0.0, self._slot_mono_s - now_mono_s)

    def draw(self, waiting_bytes: int, *, now_mono_s: float, cost: Cost) -> int:
        """The milliseconds after which a unit with `waiting_bytes` > 0 may send one bulk parcel."""
        self._slot_mono_s = max(self._slot_mono_s, now_mono_s)
        after_s = self._slot_mono_s - now_mono_s
        share = max(LEAST_SHARE, FULL_SHARE - cost.live_share(now_mono_s))
        self._slot_mono_s += min(self._parcel_bytes, waiting_bytes) * cost.bulk_byte_s / share
        return min(round(after_s * 1000), _MOST_MS)


_MOST_MS: Final = 0xFFFF_FFFF  # the receipt's field is 32 bits wide: 49 days
