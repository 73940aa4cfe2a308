"""What a unit sends when: the rule of the uplink policy (docs/uplink.md) as a state machine without thread or socket.

Two lanes. Live: rows just appended, alarms until their receipt, one row after a connect, a probe when the bridge is
said to be away. Bulk: everything else that waits, newest first, one parcel for each number the bridge has given.
Every call is given the monotonic time; rows are read from the outbox only when a parcel is made.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from edge.backlog import Shelf, newest_waiting
from edge.backoff import Doubling
from edge.inflight import InFlight
from edge.packing import Filler, Packed, Row, leading, plain, row_bytes
from edge.receipts import Receipts, Settled
from wire.kinds import CLASS_ALARM, CLASS_BULKY
from wire.ranges import Ranges
from wire.receipt import Receipt

BULK_TIMEOUT_S: Final = 30.0
LIVE_TIMEOUT_S: Final = 90.0  # must exceed the 60 s for which the bridge gathers live receipts
ASK_EVERY_S: Final = 30.0
ASK_ALONE_SHARE: Final = 0.5  # no live row came to carry the ask: it goes alone, spread over half as long again
PROBE_EVERY_S: Final = 60.0
STATE_GRACE_S: Final = 5.0  # a bridge's retained state comes right after the SUBACK; the slowest RTT is 2 s
NUMBER_LIMIT_S: Final = 3_600.0  # a centre at a tenth of its speed and 20,000 units needs 1,600 s for a round
PARCEL_BYTES: Final = 16_000
LEAST_PARCEL_BYTES: Final = 1_000
FIRST_PARCEL_BYTES: Final = 4_000  # until the uplink has been measured: 0.5 s of an EDGE link
UPLINK_SHARE_S: Final = 0.5  # a live row never waits longer than this behind a bulk parcel
BUCKET_BYTES_PER_S: Final = 16_000.0
BUCKET_BURST_BYTES: Final = 32_000.0
LIVE_ROWS: Final = 64  # what a stalled link has left behind beyond this is backlog, not live
ALARMS_WATCHED: Final = 100  # more alarms than this at once go first in the bulk lane
ALARM_LEAST_S: Final = 2.0  # the slowest RTT
ALARM_RESEND: Final = Doubling(5.0, 60.0, least_s=ALARM_LEAST_S)
ALARM_SETTLED_TIMES: Final = 5  # its wait no longer grows


@dataclass(frozen=True, slots=True)
class Limits:
    """What one unit may send in the bulk lane (`bucket_bytes_per_s` None lifts its own limit), and when it tries again.

    The times belong to the rule and to the bridge's: change them in tests only.
    """

    bucket_bytes_per_s: float | None = BUCKET_BYTES_PER_S
    bucket_burst_bytes: float = BUCKET_BURST_BYTES
    parcel_bytes: int = PARCEL_BYTES
    bulk_timeout_s: float = BULK_TIMEOUT_S
    live_timeout_s: float = LIVE_TIMEOUT_S
    ask_every_s: float = ASK_EVERY_S


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A parcel to hand over now."""

    bulk: bool
    packed: Packed
    waiting_bytes: int


class Bucket:
    """The unit's own token bucket: what is left of it after parcels of a data plan."""

    def __init__(self, bytes_per_s: float | None, burst_bytes: float) -> None:
        self._bytes_per_s, self._burst_bytes = bytes_per_s, burst_bytes
        self._bytes, self._at_s = burst_bytes, float("-inf")

    def ready_s(self, wanted_bytes: float, now_s: float) -> float:
        """When `wanted_bytes` (at most a burst) are there; `now_s` when they are already."""
        if self._bytes_per_s is None:
            return now_s
        left_bytes = self.left_bytes(now_s)
        return now_s + max(0.0, min(wanted_bytes, self._burst_bytes) - left_bytes) / self._bytes_per_s

    def left_bytes(self, now_s: float) -> float:
        """What is in it now; a burst when it has no limit."""
        if self._bytes_per_s is None:
            return self._burst_bytes
        self._bytes = min(self._burst_bytes, self._bytes + (now_s - self._at_s) * self._bytes_per_s)
        self._at_s = now_s
        return self._bytes

    def limit(self, bytes_per_s: float | None) -> None:
        """Fill at another rate from now on; what is in it stays."""
        self._bytes_per_s = bytes_per_s

    def spend(self, spent_bytes: int) -> None:
        """Take bytes out; it may go below zero for a row larger than a burst."""
        self._bytes -= spent_bytes


@dataclass(slots=True)
class _Alarm:
    sent_times: int  # at most ALARM_SETTLED_TIMES
    due_s: float
    sent_s: float = float("-inf")


class Sending:
    """One unit's sending; numbers and rows in flight survive a reconnect. Not for two threads at once."""

    def __init__(
        self,
        shelf: Shelf,
        limits: Limits | None = None,
        *,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.heard_receipt = False  # in this session
        self._shelf = shelf
        self._limits = limits or Limits()
        self._uniform = uniform
        self._flights = InFlight()
        self._receipts = Receipts(shelf, self._flights)
        self._filler = Filler()
        self._bucket = Bucket(self._limits.bucket_bytes_per_s, self._limits.bucket_burst_bytes)
        self._parcel_bytes = min(FIRST_PARCEL_BYTES, self._limits.parcel_bytes)
        self._number_s: float | None = None
        self._asked_s = float("-inf")
        self._ask_alone_s = float("inf")
        self._connected = False
        self._greet = False
        self._live_above = 0
        self._appended = False
        self._alarms: dict[int, _Alarm] = {}
        self._bridges: dict[str, bool] = {}
        self._bridges_known_s = 0.0
        self._overruled = False
        self._probe_s = 0.0

    @property
    def rejected(self) -> Counter[str]:
        """Receipts, or ranges of them, that did not hold, by reason."""
        return self._receipts.rejected

    # ------------------------------------------------------------------ what happened

    def connected(self, now_s: float) -> None:
        """A session has begun: the newest row and the alarms go at once, nothing else."""
        self._connected, self._greet, self.heard_receipt = True, True, False
        self._bridges.clear()
        self._overruled, self._bridges_known_s = False, now_s + STATE_GRACE_S
        self._probe_s = now_s + self._around(PROBE_EVERY_S)
        self._ask_alone_s = now_s + self._uniform(0.0, self._limits.ask_every_s * ASK_ALONE_SHARE)
        self._live_above = self._shelf.newest_id()
        for row in self._shelf.alarms(ALARMS_WATCHED):
            self._watch(row, now_s)
        for alarm in self._alarms.values():
            alarm.due_s = now_s

    def disconnected(self) -> None:
        """The session has ended; what is in flight may still be receipted in the next one."""
        self._connected = False

    def unsent(self, parcel: Outgoing) -> None:
        """The parcel never left this box: its rows wait again, without a timeout."""
        for row in parcel.packed.rows:
            self._flights.pending_again(row.id)

    def appended(self) -> None:
        """A row was appended; cheap, reads nothing."""
        self._appended = True

    def limit_backlog(self, bytes_per_s: float | None) -> None:
        """Another rate for the bulk lane; the one call that may come from another thread."""
        self._bucket.limit(bytes_per_s)

    def heard_bridge(self, bridge_id: str, online: bool, now_s: float) -> None:
        """A bridge's retained state or will."""
        self._bridges[bridge_id] = online
        self._overruled = False
        if not online:
            self._probe_s = now_s + self._uniform(0.0, PROBE_EVERY_S)  # the whole fleet hears this at once

    def sent_bulk_in(self, sent_bytes: int, busy_s: float) -> None:
        """A bulk parcel of that size kept the uplink busy that long, round trip apart: how large the next may be."""
        wanted = sent_bytes / max(busy_s, 1e-3) * UPLINK_SHARE_S
        wanted = min(max(wanted, self._parcel_bytes / 2), self._parcel_bytes * 2)  # one odd measurement is no new link
        self._parcel_bytes = int(min(max(wanted, LEAST_PARCEL_BYTES), self._limits.parcel_bytes))

    def heard(self, receipt: Receipt, now_s: float) -> Settled:
        """A receipt came; what does not hold is counted and changes nothing."""
        self.heard_receipt = self._overruled = True
        if receipt.bulk_after_ms is not None:
            self._number_s = now_s + min(receipt.bulk_after_ms / 1_000, NUMBER_LIMIT_S)
        settled = self._receipts.settle(receipt)
        for row_id in [row_id for row_id in self._alarms if row_id in settled.stored or row_id in settled.refused]:
            del self._alarms[row_id]
        return settled

    # ------------------------------------------------------------------ what to do

    def next_parcel(self, now_s: float) -> Outgoing | None:
        """The parcel to send now, None when nothing is due. It counts as sent."""
        self._flights.expire(now_s)
        if not self._connected:
            return None
        away = self._bridge_away(now_s)
        if away and self._appended:
            self._watch_fresh(now_s)
        found = self._alarms_due(now_s)
        if found is None and away:
            return self._probe(now_s)
        return found or self._greeting(now_s) or self._fresh(now_s) or self._bulk(now_s) or self._ask_alone(now_s)

    def due_s(self, now_s: float) -> float:
        """When `next_parcel` may have something next, if nothing else happens; infinity when not connected."""
        if not self._connected:
            return float("inf")
        if self._greet or self._appended:
            return now_s
        times = [alarm.due_s for alarm in self._alarms.values()]
        if self._bridge_away(now_s):
            return max(now_s, min([self._probe_s, *times]))
        if now_s < self._bridges_known_s:
            times.append(self._bridges_known_s)
        if self._number_s is None:
            times.append(max(self._ask_alone_s, self._asked_s + self._limits.ask_every_s))
        else:
            times.append(max(self._number_s, self._bucket.ready_s(self._parcel_bytes, now_s)))
        return max(now_s, min(times))

    # ------------------------------------------------------------------ the live lane

    def _greeting(self, now_s: float) -> Outgoing | None:
        if not self._greet:
            return None
        self._greet = False
        newest = self._shelf.below(self._live_above + 1, limit_rows=1, limit_bytes=1)
        # In flight from the session before is no obstacle: on a half-open link it went nowhere.
        if not newest or self._flights.settled(newest[0].id) or not _fits_live(newest[0]):
            return None
        return self._live(newest, now_s)

    def _alarms_due(self, now_s: float) -> Outgoing | None:
        """Those that are due, and behind them those that were not sent more often: a hundred go in one parcel."""
        times = max((alarm.sent_times for alarm in self._alarms.values() if alarm.due_s <= now_s), default=None)
        if times is None:
            return None
        wanted = Ranges()
        for row_id, alarm in self._alarms.items():
            rides = 0 < alarm.sent_times <= times and now_s - alarm.sent_s >= ALARM_LEAST_S
            if rides or alarm.due_s <= now_s:
                wanted.add(row_id)
        rows = self._shelf.rows_of(wanted)
        for row_id in set(wanted.seqs()) - {row.id for row in rows}:
            del self._alarms[row_id]  # shed, or deleted
        due_first = sorted(rows, key=lambda row: self._alarms[row.id].due_s > now_s)
        return self._live(leading(self._apart(due_first), PARCEL_BYTES), now_s) if rows else None

    def _fresh(self, now_s: float) -> Outgoing | None:
        if not self._appended:
            return None
        newest_id = self._shelf.newest_id()
        self._live_above = max(self._live_above, newest_id - LIVE_ROWS)
        rows = self._shelf.above(self._live_above, LIVE_ROWS)
        live = leading([row for row in rows if _fits_live(row) and row.id not in self._flights.taken], PARCEL_BYTES)
        self._live_above = live[-1].id if live else max(self._live_above, newest_id)
        self._appended = self._live_above < newest_id
        return self._live(live, now_s) if live else None

    def _probe(self, now_s: float) -> Outgoing | None:
        """The bridge is said to be away: one parcel a minute asks whether that is so; the rest is backlog."""
        self._live_above, self._appended, self._greet = self._shelf.newest_id(), False, False
        if now_s < self._probe_s:
            return None
        self._probe_s = now_s + self._around(PROBE_EVERY_S)
        waiting = self._newest_waiting(1)
        return self._live(waiting, now_s, ask=True) if waiting else None

    def _ask_alone(self, now_s: float) -> Outgoing | None:
        """Rows wait, and no live row came by to carry the ask (a receiver that is silent, a parked night)."""
        if now_s < self._ask_alone_s or not self._may_ask(now_s):
            return None
        self._ask_alone_s = now_s + self._ask_alone_after()
        waiting = self._newest_waiting(1)
        return self._live(waiting, now_s, ask=True) if waiting else None

    def _live(self, rows: Sequence[Row], now_s: float, *, ask: bool = False) -> Outgoing:
        self._sent(rows, now_s, self._limits.live_timeout_s)
        for row in rows:
            if row.cls == CLASS_ALARM:
                self._watch(row, now_s)
        self._resend_later(rows, now_s)
        waiting_bytes = self._waiting_bytes() if ask or self._may_ask(now_s) else 0
        return self._out(False, plain(rows), waiting_bytes, now_s)

    def _watch_fresh(self, now_s: float) -> None:
        """A new alarm goes at once, whatever the bridge is said to be; the other rows are backlog."""
        for row in self._shelf.above(self._live_above, LIVE_ROWS):
            if row.cls == CLASS_ALARM:
                self._watch(row, now_s)

    def _watch(self, row: Row, now_s: float) -> None:
        if row.id in self._alarms or self._flights.settled(row.id):
            return
        if len(self._alarms) < ALARMS_WATCHED:
            self._alarms[row.id] = _Alarm(0, now_s)

    def _resend_later(self, rows: Sequence[Row], now_s: float) -> None:
        """Alarms that were sent as often have one date, and so go on together."""
        due_s: dict[int, float] = {}
        for alarm in (self._alarms[row.id] for row in rows if row.id in self._alarms):
            alarm.sent_times, alarm.sent_s = min(alarm.sent_times + 1, ALARM_SETTLED_TIMES), now_s
            if alarm.sent_times not in due_s:
                due_s[alarm.sent_times] = now_s + self._resend_after(alarm.sent_times, now_s)
            alarm.due_s = due_s[alarm.sent_times]

    def _resend_after(self, sent_times: int, now_s: float) -> float:
        if sent_times == ALARM_SETTLED_TIMES and self._bridge_away(now_s):
            return self._around(PROBE_EVERY_S)
        return ALARM_RESEND.delay_s(sent_times, self._uniform)

    # ------------------------------------------------------------------ the bulk lane

    def _bulk(self, now_s: float) -> Outgoing | None:
        if self._number_s is None or now_s < self._number_s:
            return None
        if self._bucket.ready_s(self._parcel_bytes, now_s) > now_s:
            return None
        self._number_s = None
        rows = self._waiting_alarms() or self._newest_waiting(self._filler.wanted_bytes(self._parcel_bytes))
        if not rows:
            return None
        packed = self._packed(self._apart(rows))
        self._sent(packed.rows, now_s, self._limits.bulk_timeout_s)
        out = self._out(True, packed, self._waiting_bytes(), now_s)
        self._bucket.spend(len(packed.payload(0)))
        return out

    def _waiting_alarms(self) -> Sequence[Row]:
        rows = self._shelf.alarms(2 * ALARMS_WATCHED)
        return [row for row in rows if row.id not in self._flights.taken and row.id not in self._alarms]

    def _packed(self, rows: Sequence[Row]) -> Packed:
        if any(self._receipts.was_refused(row.id) for row in rows):
            return plain(leading(rows, self._parcel_bytes))
        return self._filler.fill(rows, self._parcel_bytes)

    def _apart(self, rows: Sequence[Row]) -> Sequence[Row]:
        """A row that was refused three times goes alone, so that it takes no other row down with it."""
        for index, row in enumerate(rows):
            if self._receipts.must_go_alone(row.id):
                return rows[: max(1, index)]
        return rows

    def _newest_waiting(self, limit_bytes: int) -> list[Row]:
        return newest_waiting(self._shelf, self._flights.taken, limit_bytes)

    # ------------------------------------------------------------------ both

    def _may_ask(self, now_s: float) -> bool:
        return self._number_s is None and now_s - self._asked_s > self._limits.ask_every_s

    def _waiting_bytes(self) -> int:
        """Bytes that wait, 0 when no row does (the outbox's sum also has what is receipted and not yet deleted)."""
        waiting = self._newest_waiting(1)
        if not waiting:
            return 0
        return max(row_bytes(waiting[0]), self._shelf.waiting()[1] - self._flights.bytes)

    def _sent(self, rows: Sequence[Row], now_s: float, timeout_s: float) -> None:
        self._flights.sent(rows, now_s, timeout_s)
        self._receipts.sent(rows)

    def _out(self, bulk: bool, packed: Packed, waiting_bytes: int, now_s: float) -> Outgoing:
        if waiting_bytes:
            self._asked_s = now_s
            self._ask_alone_s = now_s + self._ask_alone_after()
        return Outgoing(bulk, packed, waiting_bytes)

    def _bridge_away(self, now_s: float) -> bool:
        """Said to be offline by every bridge, or by none at all after the grace; a receipt overrules it."""
        return not self._overruled and now_s >= self._bridges_known_s and not any(self._bridges.values())

    def _ask_alone_after(self) -> float:
        return self._limits.ask_every_s * self._uniform(1.0, 1.0 + ASK_ALONE_SHARE)

    def _around(self, seconds: float) -> float:
        return seconds * self._uniform(0.75, 1.25)


def _fits_live(row: Row) -> bool:
    return row.cls != CLASS_BULKY and row_bytes(row) <= PARCEL_BYTES
