"""Calls for help at the centre: kept where a dispatcher looks, over once the box knows that a person has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

from broker.bridge_state import BridgeState
from broker.calls import CALLS_KEPT, Calls
from broker.committer import Alarm, Result
from broker.desk import Desk, Note
from broker.downlink import Downlink
from wire import encode
from wire.inputs import ACKNOWLEDGE, BY, CALL, SOS, SOS_ACKNOWLEDGED, TIMES
from wire.kinds import KIND_RESULT

UNIT = "amb-017"
LATER_MS = 1 << 62


@pytest.fixture
def downlink(tmp_path: Path) -> Iterator[Downlink]:
    with Downlink(tmp_path / "downlink.db") as opened:
        yield opened


@pytest.fixture
def calls(tmp_path: Path) -> Iterator[Calls]:
    with Calls(tmp_path / "downlink.db") as opened:
        yield opened


@pytest.fixture
def sent() -> list[tuple[str, bytes]]:
    return []


@pytest.fixture
def desk(tmp_path: Path, downlink: Downlink, calls: Calls, sent: list[tuple[str, bytes]]) -> Desk:
    def send(topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        sent.append((topic, payload))
        return True

    return Desk(
        BridgeState(online=True, session=1, store_id=7), "bridge-1", SimpleQueue[Note](), send=send,
        publish_state=lambda: None, presence_path=tmp_path / "presence.json", downlink=downlink, calls=calls,
        counters=dict,
    )  # fmt: skip


def said(desk: Desk, name: str, *, place: tuple[int, int] | None = None, **detail: str) -> None:
    lat_e7, lon_e7 = place or (None, None)
    body = encode.event(at=(1, 0, 0), name=name, detail=detail, lat_e7=lat_e7, lon_e7=lon_e7)
    desk._take_one(Alarm(unit=UNIT, body=body))
    desk._write_down()


def test_a_call_is_one_however_often_it_is_said(desk: Desk, calls: Calls) -> None:
    said(desk, SOS, place=(-62_000_000, 1_068_000_000), **{CALL: "c1", TIMES: "1"})
    said(desk, SOS, **{CALL: "c1", TIMES: "2"})
    said(desk, "tamper_on", input="lid")
    (call,) = calls.listed()
    assert (call.unit, call.call, call.times, call.by) == (UNIT, "c1", 2, None)
    assert (call.lat_e7, call.lon_e7) == (-62_000_000, 1_068_000_000), "the last place that was known"


def test_it_is_over_once_the_box_says_that_it_knows(desk: Desk, downlink: Downlink, calls: Calls) -> None:
    said(desk, SOS, **{CALL: "c1", TIMES: "1"})
    calls.acknowledge(downlink, calls.listed()[0], "Sari", expires_utc_ms=LATER_MS)
    assert [call.by for call in calls.listed()] == ["Sari"], "until then it is shown"
    said(desk, SOS_ACKNOWLEDGED, **{CALL: "c1", BY: "Sari"})
    assert calls.listed() == []
    assert [(call.by, call.ended) for call in calls.listed(ended=True)] == [("Sari", True)]


@pytest.mark.parametrize("ok", [True, False])
def test_or_once_the_commands_result_is_stored(desk: Desk, downlink: Downlink, calls: Calls, ok: bool) -> None:
    said(desk, SOS, **{CALL: "c1", TIMES: "1"})
    calls.acknowledge(downlink, calls.listed()[0], "Sari", expires_utc_ms=LATER_MS)
    (order,) = downlink.open_commands(0)
    assert (order.verb, order.arguments) == (ACKNOWLEDGE, {CALL: "c1", BY: "Sari"})
    body = encode.result(at=(1, 0, 0), command_id=order.id, ok=ok, detail="")
    desk._take_one(Result(unit="amb-018", kind=KIND_RESULT, body=body))
    desk._write_down()
    assert len(calls.listed()) == 1, "another unit's word does not count"
    desk._take_one(Result(unit=UNIT, kind=KIND_RESULT, body=body))
    desk._write_down()
    assert calls.listed() == []


def test_an_order_is_sent_at_the_next_turn_and_not_again_until_its_round(
    desk: Desk, downlink: Downlink, calls: Calls, sent: list[tuple[str, bytes]]
) -> None:
    desk._down_connected, desk._commands_due_s = True, float("inf")
    desk._talk_down(0.0)
    said(desk, SOS, **{CALL: "c1", TIMES: "1"})
    calls.acknowledge(downlink, calls.listed()[0], "Sari", expires_utc_ms=LATER_MS)
    (order,) = downlink.open_commands(0)
    desk._talk_down(0.0)
    desk._talk_down(0.0)
    assert sent == [(f"pantau/v1/{UNIT}/down/command", order.encode())]


def test_a_box_that_has_gone_mad_fills_no_disk_and_poisons_nothing(
    desk: Desk, downlink: Downlink, calls: Calls
) -> None:
    for number in range(CALLS_KEPT + 50):
        said(desk, SOS, **{CALL: f"c{number}", TIMES: "9" * 40})
    said(desk, SOS, **{CALL: "x" * 1000, TIMES: "1"})
    said(desk, SOS, **{TIMES: "1"})
    desk._take_one(Alarm(unit=UNIT, body=b"\xff\xff"))
    desk._write_down()
    found = calls.listed()
    assert len(found) == CALLS_KEPT
    assert found[-1].call == f"c{CALLS_KEPT + 49}"
    assert desk.counters.total() == 1, "the bytes that are no event"


def test_a_purge_forgets_old_calls_and_of_one_that_goes_on_where_it_was(calls: Calls, tmp_path: Path) -> None:
    for at_ms, call in ((1_000, "over"), (2_000, "goes on"), (9_000, "new")):
        calls.called(UNIT, call, 1, (-61_750_001, 1_068_270_001), at_ms)
        calls.called("amb-018", call, 1, (-61_750_001, 1_068_270_001), at_ms)
    calls.ended(UNIT, "over", "city-rini")
    assert calls.purge(5_000, lambda unit, at_ms: unit == UNIT and at_ms < 5_000) == 2
    mine = [each for each in calls.listed(ended=True) if each.unit == UNIT]
    assert [(each.call, each.lat_e7, each.lon_e7) for each in mine] == [
        ("goes on", None, None),
        ("new", -61_750_001, 1_068_270_001),
    ]
    assert len(calls.listed(ended=True)) == 5
    assert calls.purge(5_000, lambda unit, _at_ms: unit == UNIT) == 0
