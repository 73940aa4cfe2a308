"""The bridge's desk: no note ends it, one unit's flood delays nobody else's word, what is stored is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

from broker.bridge_state import BridgeState
from broker.calls import Calls
from broker.committer import Result
from broker.desk import Desk, Note
from broker.downlink import Downlink
from broker.presence import Heard
from wire import encode
from wire.kinds import KIND_REPORTED

NOW_MS = 1_800_000_000_000
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


def reports(version: int) -> Result:
    return Result(unit="box-1", kind=KIND_REPORTED, body=encode.reported(at=AT, version=version, json="{}"))


def test_a_version_that_no_centre_gave_is_counted_and_the_desk_goes_on(seat: Seat) -> None:
    for version in (1 << 63, (1 << 64) - 1, 3):
        seat.notes.put(reports(version))
    seat.work_off()
    assert seat.desk.counters == {"malformed: reported version too large": 2}
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
    assert seat.desk.counters == {"faulty_notes": 3}
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    assert seat.downlink.report("box-1") is not None
