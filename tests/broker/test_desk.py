"""The bridge's desk: no note ends it, one unit's flood delays nobody else's word, what is stored is written."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

from broker.bridge_state import BridgeState
from broker.calls import CALLS_KEPT, Calls
from broker.committer import Alarm, Result
from broker.desk import TAKE_S, Desk, Note, Notice
from broker.downlink import Downlink
from broker.notes import NOTICES_LIMIT, WORDS_A_UNIT, Notes
from broker.presence import Heard
from wire import encode
from wire.inputs import BY, CALL, SOS, SOS_ACKNOWLEDGED, TIMES
from wire.kinds import KIND_REPORTED, KIND_RESULT

NOW_MS = time.time_ns() // 1_000_000
AT = (NOW_MS, 0, 0)


class Seat:
    """A desk with its file, and what waits for it."""

    def __init__(self, folder: Path, downlink: Downlink, calls: Calls) -> None:
        self.downlink, self.calls = downlink, calls
        self.notes: SimpleQueue[Note] = SimpleQueue()
        self.desk = Desk(
            BridgeState(online=True, session=1, store_id=7), "bridge-1", self.notes,
            send=lambda _topic, _payload, **_how: True, publish_state=lambda: None,
            presence_path=folder / "presence.json", downlink=downlink, calls=calls, counters=dict,
        )  # fmt: skip

    def work_off(self) -> None:
        """Run it until nothing waits."""
        self.desk.run(self)

    def is_set(self) -> bool:
        return self.notes.empty()

    def wait(self, timeout_s: float, /) -> bool:
        raise AssertionError(f"the desk waits for notes, not for {timeout_s} s")


@pytest.fixture
def seat(tmp_path: Path) -> Iterator[Seat]:
    path = tmp_path / "downlink.db"
    with Downlink(path) as downlink, Calls(path) as calls:
        yield Seat(tmp_path, downlink, calls)


def sos(unit: str, call: str, *, times: int = 1, at_ms: int = NOW_MS, again: bool = False) -> Alarm:
    body = encode.event(at=(at_ms, 0, 0), name=SOS, detail={CALL: call, TIMES: str(times)})
    return Alarm(unit=unit, body=body, again=again)


def acknowledged(unit: str, call: str) -> Alarm:
    return Alarm(unit=unit, body=encode.event(at=AT, name=SOS_ACKNOWLEDGED, detail={CALL: call, BY: "Sari"}))


def answers(command_id: str, *, again: bool = False) -> Result:
    body = encode.result(at=AT, command_id=command_id, ok=True, detail="pong")
    return Result(unit="box-1", kind=KIND_RESULT, body=body, again=again)


def reports(version: int, json: str = "{}", *, again: bool = False) -> Result:
    body = encode.reported(at=AT, version=version, json=json)
    return Result(unit="box-1", kind=KIND_REPORTED, body=body, again=again)


def test_a_version_that_no_centre_gave_is_counted_and_the_desk_goes_on(seat: Seat) -> None:
    for version in (1 << 63, (1 << 64) - 1, 3):
        seat.notes.put(reports(version))
    seat.work_off()
    assert seat.desk.counters == Counter({"malformed: reported version too large": 2})
    report = seat.downlink.report("box-1")
    assert report is not None and report.version == 3


def test_what_the_desks_own_code_stumbles_over_is_said_once_and_left_out(
    seat: Seat, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble(_heard: Heard) -> None:
        raise KeyError("a fault of ours")

    monkeypatch.setattr(seat.desk.register, "heard", stumble)
    for _ in range(3):
        seat.notes.put([Heard("box-1", 1, 77, 0, False, NOW_MS)])
    seat.notes.put(reports(3))
    seat.work_off()
    assert seat.desk.counters == Counter({"faulty_notes": 3})
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    assert seat.downlink.report("box-1") is not None


def test_ten_thousand_calls_of_one_box_delay_anothers_by_a_hundred_writes_and_one_commit(seat: Seat) -> None:
    done: list[str] = []
    seat.calls._database.set_trace_callback(done.append)
    for number in range(10_000):
        seat.notes.put(sos("box-evil", f"c{number}"))
    seat.notes.put(sos("box-1", "help"))
    while not seat.notes.empty():
        seat.desk._take(0.0, lambda: False)
    seat.desk._write_down()
    assert [call.call for call in seat.calls.listed() if call.unit == "box-1"] == ["help"]
    assert sum(call.unit == "box-evil" for call in seat.calls.listed()) == CALLS_KEPT
    assert len([said for said in done if said.startswith("INSERT")]) == CALLS_KEPT + 1
    assert len([said for said in done if said.startswith("COMMIT")]) == 1
    assert seat.desk.counters["crowded_words"] == 10_000 - CALLS_KEPT


def test_a_call_that_is_said_again_and_again_is_one_write_and_ends_after_it_began(seat: Seat) -> None:
    seat.notes.put(acknowledged("box-1", "help"))  # a backlog comes newest first
    for times in (3, 2, 1):
        seat.notes.put(sos("box-1", "help", times=times))
    seat.work_off()
    assert seat.calls.listed() == []
    assert [(call.times, call.by, call.ended) for call in seat.calls.listed(ended=True)] == [(3, "Sari", True)]


def test_a_stop_is_asked_between_two_notes_and_a_turn_takes_no_longer_than_it_may(
    seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        seat.notes.put(sos("box-1", f"c{number}"))
    seat.desk._take(0.0, lambda: True)
    assert seat.notes.qsize() == 99
    since_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: since_s + (99 - seat.notes.qsize()) * TAKE_S / 10)
    seat.desk._take(0.0, lambda: False)
    assert seat.notes.qsize() == 89


def test_who_floods_the_desk_loses_only_its_own_words(caplog: pytest.LogCaptureFixture) -> None:
    notes = Notes()
    for number in range(WORDS_A_UNIT + 10):
        notes.put(sos("box-evil", f"c{number}"))
    notes.put(sos("box-1", "help"))
    notes.put(Notice("pantau/v1/box-1/birth", b"{}", False))
    notes.put([])
    assert notes.qsize() == WORDS_A_UNIT + 3
    assert (notes.dropped_words, notes.dropped_notices) == (10, 0)
    assert [record.message for record in caplog.records] == [
        "box-evil: more results and calls than a unit may have waiting; its own are dropped"
    ]
    while not notes.empty():
        notes.get_nowait()
    notes.put(sos("box-evil", "again"))
    assert notes.qsize() == 1


def test_births_have_a_bound_of_their_own() -> None:
    notes = Notes()
    for _ in range(NOTICES_LIMIT + 1):
        notes.put(Notice("pantau/v1/box-1/birth", b"{}", False))
    notes.put(sos("box-1", "help"))
    assert (notes.qsize(), notes.dropped_notices, notes.dropped_words) == (NOTICES_LIMIT + 1, 1, 0)


def test_what_is_sent_again_reopens_nothing_and_overrules_nothing(seat: Seat) -> None:
    order = seat.downlink.order("box-1", "ping", {}, expires_utc_ms=1 << 62)
    for note in (sos("box-1", "help"), acknowledged("box-1", "help"), answers(order.id), reports(3, "applied")):
        seat.notes.put(note)
    seat.notes.put(reports(3, "refused"))
    seat.work_off()
    before, answered = seat.calls._database.total_changes, seat.downlink._database.total_changes
    for _ in range(2):
        for note in (answers(order.id, again=True), reports(3, "applied", again=True), acknowledged("box-1", "help")):
            seat.notes.put(note)
        seat.work_off()
    assert (seat.calls._database.total_changes, seat.downlink._database.total_changes) == (before, answered)
    seat.notes.put(sos("box-1", "help", again=True))
    seat.notes.put(sos("box-1", "of a card of last week", at_ms=NOW_MS - 7 * 86_400_000, again=True))
    seat.work_off()
    assert seat.calls.listed() == []
    report = seat.downlink.report("box-1")
    assert report is not None and report.told == "refused"


def test_what_could_not_be_written_is_written_once_the_file_is_free(seat: Seat, tmp_path: Path) -> None:
    for database in (seat.calls._database, seat.downlink._database):
        database.execute("PRAGMA busy_timeout = 1")
    order = seat.downlink.order("box-1", "ping", {}, expires_utc_ms=1 << 62)
    busy = sqlite3.connect(tmp_path / "downlink.db", isolation_level=None)
    busy.execute("BEGIN IMMEDIATE")
    for note in (sos("box-1", "help"), answers(order.id), reports(3)):
        seat.notes.put(note)
    seat.work_off()
    assert (seat.calls.listed(), seat.downlink.answer(order.id), seat.downlink.report("box-1")) == ([], None, None)
    busy.execute("ROLLBACK")
    busy.close()
    seat.desk.last_words()
    assert [call.call for call in seat.calls.listed()] == ["help"]
    assert seat.downlink.open_commands(0) == [] and seat.downlink.answer(order.id) is not None
    assert seat.downlink.report("box-1") is not None
