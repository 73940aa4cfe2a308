"""The health record says what the box holds and how it is, rides on reports, and is rare when idle."""

from pathlib import Path

import pytest

from edge.budget import Budget, Degree, Plan, Spent
from edge.clock import Clock
from edge.health import BESIDE_REPORT_S, IDLE_S, SAMPLE_S, Health, Machine, Sources
from edge.memory import Memory
from edge.outbox import Account, Outbox
from edge.today import DAY_MS, Today, Traffic
from wire import records_pb2
from wire.kinds import CLASS_STATUS, CLASS_TRACK, KIND_HEALTH, KIND_TRACK
from wire.ranges import Ranges

NOON = 1_793_534_400_000


class Box:
    """A box whose clocks, traffic and /sys belong to the test."""

    def __init__(self, folder: Path, outbox: Outbox | None = None) -> None:
        self.now_s = 5000.0
        self.traffic = Traffic()
        self.sys, self.proc = folder / "sys", folder / "proc"
        (self.sys / "class/thermal/thermal_zone0").mkdir(parents=True)
        (self.sys / "class/hwmon/hwmon1").mkdir(parents=True)
        self.proc.mkdir()
        (self.proc / "uptime").write_text("5000.20 9000.00\n")
        self.clock = Clock(
            boot_id=7, monotonic_s=lambda: self.now_s, boottime_ns=lambda: int(self.now_s * 1e9),
            ntp_synchronised=lambda: False,
        )  # fmt: skip
        self.outbox = outbox or Outbox(folder / "outbox.db", limit_bytes=10_000_000, clock=self.clock)
        self.folder = folder
        self.health = self.again()

    def again(self) -> Health:
        return Health(
            self.outbox,
            self.clock,
            Sources(
                traffic=lambda: self.traffic,
                rejected=lambda: {"no_fix": 3, "hdop": 0},
                unobserved=lambda: {"outbox": 2},
            ),
            today=Today(self.clock, Memory(self.folder / "documents.db")),
            firmware="0.1.0",
            disk=self.folder,
            machine=Machine(self.sys, self.proc),
        )

    def heat(self, millidegrees: str) -> None:
        (self.sys / "class/thermal/thermal_zone0/temp").write_text(millidegrees)

    def supply(self, alarm: str) -> None:
        (self.sys / "class/hwmon/hwmon1/name").write_text("rpi_volt\n")
        (self.sys / "class/hwmon/hwmon1/in0_lcrit_alarm").write_text(alarm)

    def record(self) -> records_pb2.Health:
        body = self.health.body()
        assert body is not None
        self.health.sent()
        return records_pb2.Health.FromString(body)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_the_account_covers_every_seq_below_the_records_own(box: Box) -> None:
    for _ in range(3):
        box.outbox.append(b"x", kind=KIND_TRACK, cls=CLASS_TRACK)
    box.outbox.receipted(Ranges([(2, 2)]))
    box.outbox.settle()
    body = box.health.body()
    assert body is not None
    row_id = box.outbox.append(body, kind=KIND_HEALTH, cls=CLASS_STATUS)
    said = records_pb2.Health.FromString(body)
    assert [(each.outbox_id, each.below_seq, list(each.held)) for each in said.holdings] == [
        (box.outbox.outbox_id, row_id, Ranges([(1, 1), (3, 3)]).pack())
    ]
    assert (said.rows, said.firmware, said.uptime_s) == (2, "0.1.0", 5000)
    assert dict(said.rejected_by_reason) == {"no_fix": 3}
    assert dict(said.unobserved_by_reason) == {"outbox": 2}
    assert said.disk_free_bytes > 0
    assert said.at.boot_id == 7
    box.outbox.close()


def test_it_rides_on_reports_every_ten_minutes_and_goes_alone_once_an_hour(box: Box) -> None:
    assert box.health.due(reporting=False), "the first says how the start went"
    box.record()
    assert not box.health.due(reporting=True)
    box.now_s += BESIDE_REPORT_S
    assert box.health.due(reporting=True)
    assert not box.health.due(reporting=False)
    box.now_s += IDLE_S - BESIDE_REPORT_S
    assert box.health.due(reporting=False)


def test_the_worst_of_the_minutes_between_is_told_and_then_forgotten(box: Box) -> None:
    box.supply("0")
    box.health = box.again()
    for degrees, alarm in (("41234", "0"), ("83210", "1"), ("45000", "0")):
        box.heat(degrees)
        box.supply(alarm)
        box.health.sample()
        box.now_s += SAMPLE_S
    said = box.record()
    assert (said.cpu_decidegree_c, said.undervoltage) == (832, True)
    box.health.sample()
    said = box.record()
    assert (said.cpu_decidegree_c, said.undervoltage) == (450, False)


@pytest.mark.parametrize("text", ["", "hot", "\xff"])
def test_where_the_machine_tells_nothing_nothing_is_said(box: Box, text: str) -> None:
    box.heat(text)
    box.health.sample()
    said = box.record()
    assert not said.HasField("cpu_decidegree_c")
    assert not said.HasField("undervoltage")


def test_traffic_is_counted_from_midnight_utc(box: Box) -> None:
    box.clock.heard_gnss(NOON + DAY_MS // 2 - 60_000, box.clock.boottime_ms())
    box.traffic = Traffic(reconnects=2, up_bytes=1000, down_bytes=500)
    box.health.sample()
    said = box.record()
    assert (said.reconnects_today, said.bytes_up_today, said.bytes_down_today) == (2, 1000, 500)
    box.now_s += 120
    box.health.sample()
    box.traffic = Traffic(reconnects=3, up_bytes=1700, down_bytes=600)
    said = box.record()
    assert (said.reconnects_today, said.bytes_up_today, said.bytes_down_today) == (1, 700, 100)


def test_the_days_traffic_is_kept_when_a_record_goes_and_not_oftener(box: Box) -> None:
    box.clock.heard_gnss(NOON, box.clock.boottime_ms())
    box.traffic = Traffic(reconnects=1, up_bytes=1000, down_bytes=500)
    box.record()
    box.traffic = Traffic(reconnects=2, up_bytes=9000, down_bytes=900)
    box.health.sample()
    box.health, box.traffic = box.again(), Traffic(up_bytes=7)
    said = box.record()
    assert (said.reconnects_today, said.bytes_up_today, said.bytes_down_today) == (1, 1007, 500)


def test_an_outbox_that_cannot_be_opened_has_no_account(tmp_path: Path) -> None:
    class Shut:
        def account(self) -> Account | None:
            return None

    box = Box(tmp_path)
    shut = Health(
        Shut(),
        box.clock,
        Sources(traffic=Traffic, rejected=dict, unobserved=dict),
        today=Today(box.clock, Memory(tmp_path / "documents.db")),
        firmware="0.1.0",
        disk=tmp_path,
    )
    assert shut.body() is None


def test_it_says_what_the_sim_has_carried_and_keeps_it(tmp_path: Path) -> None:
    box, memory = Box(tmp_path), Memory(tmp_path / "documents.db")
    box.clock.heard_gnss(NOON)
    budget = Budget(Plan(1_000), box.clock, memory)
    spent = [Spent(live=10)]
    health = Health(
        box.outbox,
        box.clock,
        Sources(traffic=Traffic, rejected=dict, unobserved=dict, spent=lambda: spent[0]),
        today=Today(box.clock, memory),
        firmware="0.1.0",
        disk=tmp_path,
        budget=budget,
    )
    health.sample()
    spent[0] = Spent(live=990, housekeeping=11)
    body = health.body()
    health.sent()
    assert body is not None
    said = records_pb2.Health.FromString(body).sim
    assert (said.plan_bytes, said.live_bytes, said.housekeeping_bytes) == (1_000, 990, 11)
    assert said.exhausted_utc_ms == NOON
    assert said.degree == Degree.LIVE_OFF
    assert Budget(Plan(1_000), box.clock, Memory(tmp_path / "documents.db")).month.live == 990
