"""Everything the bridge does that is not a parcel: presence, its own state topic, desired configuration, commands.

It runs apart from the committer, so that a store that hangs delays no birth and no word to another bridge.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from broker.bridge_state import BridgeState, Verdict, judge, parse_state
from broker.calls import LONGEST_CALL, Calls
from broker.committer import ROW_FAULTS, Alarm, Result, Send, reason
from broker.downlink import Downlink
from broker.presence import Heard, Register, parse_birth, read_presence, write_presence
from broker.said import Answered, CallSaid, Said, Told, each
from running.turns import Away, Stop
from wire import records_pb2
from wire.decode import decode_body
from wire.errors import PeerViolation
from wire.inputs import BY, CALL, SOS, SOS_ACKNOWLEDGED, TIMES
from wire.kinds import KIND_EVENT
from wire.ranges import MAX_SEQ
from wire.topics import bridge_state, command, desired, parse_unit_topic

log = logging.getLogger(__name__)

TURN_S: Final = 0.1
TAKE_S: Final = 0.5  # the longest one turn works off what was noted: commands, presence and a stop wait for it
SENT_AGAIN_WITHIN_MS: Final = 86_400_000  # a box sends again what was not receipted; what is older is of an old card
DOWNLINK_AGAIN_S: Final = 1.0  # after the file was busy for 2 s
DESIRED_A_TURN: Final = 50  # 500 retained documents a second after a connect: a city in 40 s, behind the receipts
COMMANDS_EVERY_S: Final = 30.0
PRESENCE_EVERY_S: Final = 2.0

# Where a test may kill the process: the names that `at` is called with. `answered`: the result is in the store, and the
# command is still open.
POINTS: Final = ("command:answered", "command:finished")


class Notice(NamedTuple):
    """A publish that is no parcel, as it came."""

    topic: str
    payload: bytes
    retained: bool


class DownConnected(NamedTuple):
    """The receipts connection stands (again): the broker has forgotten what was retained."""


class ReaderConnected(NamedTuple):
    """The reading connection stands (again): nobody there knows that this bridge lives."""


class Fleet(NamedTuple):
    """Units online, units ever heard of and not online, and the bytes that all of them said wait."""

    online: int
    offline: int
    waiting_bytes: int


NOBODY: Final = Fleet(0, 0, 0)

Word = TypeVar("Word")
Note = list[Heard] | Result | Alarm | Notice | DownConnected | ReaderConnected


class Desk:
    """`run` returns True when this bridge must yield to another one that writes another store."""

    def __init__(
        self,
        mine: BridgeState,
        name: str,
        notes: queue.SimpleQueue[Note],
        *,
        send: Send,
        publish_state: Callable[[], None],
        wary: Callable[[], None] = lambda: None,
        presence_path: Path,
        downlink: Downlink,
        calls: Calls,
        counters: Callable[[], Mapping[str, int]],
        away: Away = nullcontext,
        at: Callable[[str], None] = lambda _point: None,
    ) -> None:
        self._mine = mine
        self._own_topic = bridge_state(name)
        self._notes = notes
        self._send = send
        self._publish_state = publish_state
        self._wary = wary  # told when an elder bridge of another store may be alive, and cut off by this one
        self._presence_path = presence_path
        self._downlink = downlink
        self._calls = calls
        self._counters_of_all = counters
        self._away = away
        self._at = at
        self.counters: Counter[str] = Counter()
        self.register = Register(read_presence(presence_path)[0])
        self._desired_change = 0
        self._ordered = downlink.newest_order()  # what was ordered before goes with the first round
        self._down_connected = False
        self._downlink_fails = False
        self._downlink_from_s = 0.0
        self._said = Said()
        self._yields = False
        self.fleet = NOBODY  # as of the last writing; replaced whole, for other threads
        self._spoken = self._spoken_before = False  # on any connection; on one before this
        self._commands_due_s = self._presence_due_s = 0.0

    def run(self, stop: Stop) -> bool:
        """Until `stop`, or until another bridge turns out to have been first."""
        while not stop.is_set() and not self._yields:
            self._take(TURN_S, stop.is_set)
            self._write_down()
            now_s = time.monotonic()
            self._talk_down(now_s)
            if now_s >= self._presence_due_s:
                self._presence_due_s = now_s + PRESENCE_EVERY_S
                self._write_presence()
        self._write_presence()
        return self._yields

    def last_words(self) -> None:
        """What was stored since `run` ended is written down: it is receipted, and no box says it again."""
        self._take(0.0, lambda: False)
        self._downlink_from_s = 0.0
        self._write_down()

    def _take(self, wait_s: float, enough: Callable[[], bool]) -> None:
        """Work off what was noted, waiting up to `wait_s` for the first; no longer than TAKE_S, or until `enough`."""
        until_s = time.monotonic() + wait_s + TAKE_S
        try:
            self._take_one(self._notes.get(timeout=wait_s))
            while not enough() and time.monotonic() < until_s:
                self._take_one(self._notes.get_nowait())
        except queue.Empty:
            return

    def _take_one(self, note: Note) -> None:
        """A result comes here stored, whether its body can be read or not."""
        with self._survived():
            self._read(note)

    @contextmanager
    def _survived(self) -> Iterator[None]:
        """What breaks the contract is counted. What our own code stumbles over is said once and counted: no note ends
        the bridge, which would hear it again."""
        try:
            yield
        except PeerViolation as error:
            self.counters[reason("malformed", error)] += 1
        except ROW_FAULTS:
            log.log(logging.DEBUG if self.counters["faulty_notes"] else logging.ERROR, "a note's fault", exc_info=True)
            self.counters["faulty_notes"] += 1

    def _read(self, note: Note) -> None:
        match note:
            case Result():
                self._result(note)
            case Alarm():
                self._alarm(note)
            case DownConnected():
                self._down_connected, self._desired_change, self._commands_due_s = True, 0, 0.0
            case ReaderConnected():
                self._spoken_before, self._spoken = self._spoken, True
                self._publish_state()
            case Notice():
                self._notice(note)
            case _:
                for heard in note:
                    self.register.heard(heard)

    def _notice(self, notice: Notice) -> None:
        if (named := parse_unit_topic(notice.topic)) is None:
            self._bridge_spoke(notice)
        elif notice.payload:  # an empty one ends a retained birth and says nothing
            unit, birth = named[0], parse_birth(notice.payload)
            if self.register.born(unit, birth, _utc_ms()) and birth.online:
                self._send_commands(unit)

    def _bridge_spoke(self, notice: Notice) -> None:
        own_topic = notice.topic == self._own_topic
        if own_topic and not notice.payload:
            self._publish_state()
            return
        seen = parse_state(notice.payload)
        fresh = not notice.retained or (own_topic and self._spoken_before)
        match judge(seen, mine=self._mine, own_topic=own_topic, fresh=fresh):
            case Verdict.YIELD:
                log.error("another bridge with store %d was here first: %s", seen.store_id, notice.topic)
                self._yields = True
            case Verdict.REPUBLISH:
                if seen.store_id != self._mine.store_id and seen.session < self._mine.session:
                    self._wary()
                self._publish_state()
            case Verdict.NOTHING:
                return

    def _result(self, result: Result) -> None:
        body = decode_body(result.kind, result.body)
        if isinstance(body, records_pb2.Result):
            self._said.answer(Answered(result.unit, body.command_id, body.ok, body.detail, _utc_ms()))
        elif isinstance(body, records_pb2.Reported):
            if body.version > MAX_SEQ:  # the field has 64 bits, SQLite's integers 63
                raise PeerViolation("reported version too large")
            self._said.report(result.unit, Told(body.version, body.json, _utc_ms(), result.again))

    def _alarm(self, alarm: Alarm) -> None:
        """Calls for help are kept where dispatchers look; a bridge killed just here hears it when it is sent again.

        What an old card brings again may be of a call that is over and was purged: who still calls says so anew.
        """
        body = decode_body(KIND_EVENT, alarm.body)
        if not isinstance(body, records_pb2.Event) or body.name not in (SOS, SOS_ACKNOWLEDGED):
            return
        if body.name == SOS and alarm.again and 0 < body.at.utc_ms < _utc_ms() - SENT_AGAIN_WITHIN_MS:
            return
        said = CallSaid(unit=alarm.unit, call=body.detail.get(CALL, ""), utc_ms=_utc_ms())
        if body.name == SOS:
            times = body.detail.get(TIMES, "")
            said.times = max(1, int(times)) if times.isascii() and times.isdecimal() and len(times) < 10 else 1
            said.place = (body.lat_e7, body.lon_e7) if body.HasField("lat_e7") and body.HasField("lon_e7") else None
        else:
            said.by = body.detail.get(BY, "")
        if 0 < len(said.call) <= LONGEST_CALL:  # an id that no box draws is none
            self._said.call(said)

    def _write_down(self) -> None:
        """What units have said: each kind in one transaction, and again at the next turn when that fails."""
        said = self._said
        for kept, write in (
            (said.calls, self._write_calls), (said.answers, self._write_answers), (said.reports, self._write_reports),
        ):  # fmt: skip
            if kept and self._with_downlink(write):
                kept.clear()
        self.counters["crowded_words"] = said.crowded_out

    def _write_calls(self, _: Downlink) -> None:
        with self._calls.together():
            self._each(each(self._said.calls), self._write_call)

    def _write_call(self, said: CallSaid) -> None:
        if said.times:
            self._calls.called(said.unit, said.call, said.times, said.place, said.utc_ms)
        if said.by is not None:
            self._calls.ended(said.unit, said.call, said.by)

    def _write_answers(self, downlink: Downlink) -> None:
        self._at("command:answered")
        with downlink.together():
            self._each(
                each(self._said.answers),
                lambda one: downlink.finished(
                    one.unit, one.command_id, ok=one.ok, detail=one.detail, utc_ms=one.utc_ms
                ),
            )
        with self._calls.together():
            self._each(each(self._said.answers), lambda one: self._calls.answered(one.unit, one.command_id))
        self._at("command:finished")

    def _write_reports(self, downlink: Downlink) -> None:
        with downlink.together():
            self._each(
                self._said.reports.items(),
                lambda one: downlink.reported(
                    one[0], one[1].version, one[1].json, utc_ms=one[1].utc_ms, again=one[1].again
                ),
            )

    def _each(self, words: Iterable[Word], write: Callable[[Word], None]) -> None:
        for word in words:
            with self._survived():
                write(word)

    def _talk_down(self, now_s: float) -> None:
        if not self._down_connected:
            return
        self._with_downlink(self._send_desired)
        self._with_downlink(self._send_new_orders)
        if now_s >= self._commands_due_s:
            self._commands_due_s = now_s + COMMANDS_EVERY_S
            self._send_commands(None)

    def _send_desired(self, downlink: Downlink) -> None:
        for document in downlink.desired_after(self._desired_change, DESIRED_A_TURN):
            if not self._send(desired(document.unit), document.encode(), qos=1, retain=True):
                self._down_connected = False  # the next connect starts over
                return
            self._desired_change = document.change

    def _send_new_orders(self, downlink: Downlink) -> None:
        """What was ordered just now waits for no round."""
        newest = downlink.newest_order()
        if newest > self._ordered:
            for one in downlink.open_commands(_utc_ms(), after_order=self._ordered):
                self._send(command(one.unit), one.encode())
            self._ordered = newest

    def _send_commands(self, unit: str | None) -> None:
        def send_open(downlink: Downlink) -> None:
            for one in downlink.open_commands(_utc_ms(), unit):
                self._send(command(one.unit), one.encode())

        self._with_downlink(send_open)

    def _with_downlink(self, act: Callable[[Downlink], None]) -> bool:
        """Whether it was done. What is in that file can wait: its trouble is said once and stops nothing."""
        if time.monotonic() < self._downlink_from_s:
            return False
        try:
            with self._away():
                act(self._downlink)
            self._downlink_fails = False
        except sqlite3.OperationalError as error:
            log.log(logging.DEBUG if self._downlink_fails else logging.WARNING, "downlink file: %s", error)
            self._downlink_fails = True
            self._downlink_from_s = time.monotonic() + DOWNLINK_AGAIN_S
        return not self._downlink_fails

    def _write_presence(self) -> None:
        units = self.register.all()
        online = sum(unit.online for unit in units)
        self.fleet = Fleet(online, len(units) - online, sum(unit.waiting_bytes or 0 for unit in units))
        counters = {**self._counters_of_all(), **self.counters}
        try:
            with self._away():
                write_presence(self._presence_path, units, counters, _utc_ms(), at=self._at)
        except OSError as error:
            self.counters["presence_unwritten"] += 1
            log.debug("presence: %s", error)


def _utc_ms() -> int:
    return int(time.time() * 1000)
