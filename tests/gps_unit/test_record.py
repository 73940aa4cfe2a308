"""Fixes become records: thinned to the tolerance, dated or not, and kept while the outbox takes nothing."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from errno import EIO
from itertools import islice
from pathlib import Path

import pytest

from edge.clock import Clock
from edge.disk import Disk
from edge.gps_unit.fix import EpochAssembler, Fix
from edge.gps_unit.interval import MOST_IN_A_RECORD, MOST_WAITING, OpenInterval
from edge.gps_unit.modes import Modes, Profiles
from edge.gps_unit.motion import Policy
from edge.gps_unit.nmea import Framer
from edge.gps_unit.profile import Profile
from edge.gps_unit.record import MOST_EVENTS_WAITING, Recorder, Reporting, Tally
from edge.health import Health, Sources
from edge.memory import Memory
from edge.outbox import Outbox, OutboxReader
from edge.sim.drive import drive
from edge.sim.nmea import say
from edge.today import Today, Traffic
from wire import records_pb2
from wire.decode import decode_track
from wire.kinds import CLASS_ALARM, KIND_ANCHOR, KIND_EVENT, KIND_HEALTH, KIND_TRACK
from wire.ranges import Ranges

NOON = 1_793_534_400_000


class FullDisk(Disk):
    """A disk that takes nothing while `full`."""

    full = False

    def connect(self, path: Path):  # type: ignore[no-untyped-def]
        if self.full:
            raise OSError(28, "No space left on device")
        return super().connect(path)


class DyingDisk(FullDisk):
    """Its next COMMIT of a track arrives, an error is said all the same, and then nothing can be opened."""

    def connect(self, path: Path) -> sqlite3.Connection:
        if self.full:
            raise OSError(EIO, "Input/output error")
        disk = self

        class Dying(sqlite3.Connection):
            track = False

            def execute(self, sql: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:  # type: ignore[override]
                done = super().execute(sql, parameters)
                if sql.startswith("INSERT INTO rows"):
                    self.track = parameters[2] == KIND_TRACK
                if sql == "COMMIT" and self.track:
                    disk.full = True
                    error = sqlite3.OperationalError("disk I/O error")
                    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                    raise error
                return done

        return sqlite3.connect(path, isolation_level=None, factory=Dying)


class Box:
    """A recorder over a real outbox, with a clock that the test moves."""

    def __init__(
        self,
        folder: Path,
        *,
        policy: bool = False,
        tolerance_m: float = 0.0,
        quantum: str = "lossless",
        disk: FullDisk | None = None,
        modes: Profiles | None = None,
        interval_s: float = 10,
        parked_interval_s: float = 600,
    ) -> None:
        self.folder = folder
        self.now_s = 1000.0
        self.disk = disk or FullDisk()
        self.appended = 0
        self.clock = Clock(
            boot_id=7, monotonic_s=lambda: self.now_s, boottime_ns=lambda: int(self.now_s * 1e9),
            ntp_synchronised=lambda: False,
        )  # fmt: skip
        self.outbox = Outbox(folder / "outbox.db", limit_bytes=50_000_000, clock=self.clock, disk=self.disk)
        self.tally = Tally()
        self.interval = OpenInterval(folder / "run" / "interval")
        self.modes = None if modes is None else Modes(modes, self.clock.monotonic_s)
        self.recorder = Recorder(
            Reporting(
                interval_s=interval_s, parked_interval_s=parked_interval_s, quantum=quantum, tolerance_m=tolerance_m
            ),
            self.outbox,
            self.clock,
            self.interval,
            policy=Policy() if policy else None,
            health=Health(
                self.outbox, self.clock,
                Sources(traffic=Traffic, rejected=dict, unobserved=lambda: self.tally.unobserved),
                today=Today(self.clock, Memory(folder / "documents.db")), firmware="t", disk=folder,
            ),
            appended=self._append_seen,
            tally=self.tally,
            modes=self.modes,
        )  # fmt: skip

    def _append_seen(self) -> None:
        self.appended += 1

    def hear(self, fix: Fix, *, rate_hz: int = 1) -> None:
        self.recorder.take(replace(fix, boottime_ms=self.clock.boottime_ms()))
        self.recorder.turn()
        self.now_s += 1 / rate_hz

    def bodies(self, kind: int) -> list[bytes]:
        reader = OutboxReader(self.folder / "outbox.db")
        try:
            return [row.body for row in reader.above(0, 10_000) if row.kind == kind]
        finally:
            reader.close()

    def events(self) -> list[str]:
        return [records_pb2.Event.FromString(body).name for body in self.bodies(KIND_EVENT)]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path)
    yield made
    made.outbox.close()


def fixes(count: int, *, dated: bool = True) -> list[Fix]:
    framer, epochs = Framer(), EpochAssembler()
    said = b"".join(say(seen) for seen in islice(drive(NOON, seed=1, cold_start=False), count + 20))
    found = [fix for sentence in framer.feed(said) if (fix := epochs.feed(sentence, 0))][:count]
    return [fix if dated else replace(fix, utc_ms=None) for fix in found]


def test_a_record_goes_at_each_multiple_of_the_interval(box: Box) -> None:
    box.now_s = 1003.0
    for fix in fixes(30):
        box.hear(fix)
    tracks = [decode_track(body) for body in box.bodies(KIND_TRACK)]
    assert [len(track.times_ms) for track in tracks] == [8, 10, 10]
    assert box.appended >= 3
    assert len(box.bodies(KIND_HEALTH)) == 1
    assert len(box.bodies(KIND_ANCHOR)) == 1


def test_fixes_without_a_date_carry_the_boot_and_its_clock(box: Box) -> None:
    for fix in fixes(12, dated=False):
        box.hear(fix)
    track = decode_track(box.bodies(KIND_TRACK)[0])
    assert track.boot_id == 7
    assert track.times_ms[:2] == [1000_000, 1001_000]


def test_a_date_before_the_floor_is_no_date_and_the_boots_clock_stands_in_for_it(box: Box) -> None:
    honest, wrong, later = fixes(3)
    for fix in (honest, replace(wrong, utc_ms=NOON - 20 * 366 * 86_400_000), later):
        box.hear(fix)
    box.recorder.end()
    tracks = [decode_track(body) for body in box.bodies(KIND_TRACK)]
    assert [track.boot_id for track in tracks] == [None, 7, None]
    assert tracks[1].times_ms == [1001_000]


def test_a_date_that_comes_late_dates_the_fixes_of_its_interval(box: Box) -> None:
    for fix in [*fixes(9, dated=False), *fixes(12)[9:]]:
        box.hear(fix)
    track = decode_track(box.bodies(KIND_TRACK)[0])
    assert track.boot_id is None
    assert track.times_ms == [fix.utc_ms for fix in fixes(len(track.times_ms))]


def test_thinning_says_how_many_epochs_there_were(tmp_path: Path) -> None:
    box = Box(tmp_path, tolerance_m=2.5, quantum="receiver")
    for fix in fixes(12):
        box.hear(fix)
    message = records_pb2.Track.FromString(box.bodies(KIND_TRACK)[0])
    assert message.count < message.observed
    assert message.observed >= 10
    box.outbox.close()


def test_a_parked_vehicle_is_said_to_be_parked(tmp_path: Path) -> None:
    box = Box(tmp_path, policy=True)
    for fix in fixes(19):
        box.hear(fix)
    assert any(decode_track(body).parked for body in box.bodies(KIND_TRACK))
    box.outbox.close()


def test_a_parked_vehicle_is_heard_of_each_ten_minutes_hourly_with_health_and_at_once_when_it_moves(
    tmp_path: Path,
) -> None:
    box = Box(tmp_path, policy=True, tolerance_m=2.5)
    standing = replace(fixes(10)[-1], speed_mps=0.0, course_deg=None, utc_ms=None)
    for _ in range(2 * 3600 + 15):
        box.hear(standing)
    tracks = [decode_track(body) for body in box.bodies(KIND_TRACK)]
    assert {track.parked for track in tracks} == {True}
    assert [len(tracks), len(box.bodies(KIND_HEALTH))] == [13, 3]  # one at the start, then 12 and 2
    assert box.appended <= 13 + 1  # health went beside them
    for metres in range(15):
        box.hear(replace(standing, speed_mps=10.0, lat_deg=(standing.lat_deg or 0) + metres / 11_120))
    tracks = [decode_track(body) for body in box.bodies(KIND_TRACK)]
    assert sum(track.observed for track in tracks[:14]) > 2 * 3600  # all the standing, to the last second
    assert [track.parked for track in tracks[13:]] == [True, False]
    box.outbox.close()


def test_what_the_wire_cannot_carry_is_counted_and_hurts_nobody(box: Box) -> None:
    good = fixes(12)
    box.hear(replace(good[0], alt_msl_m=1e9))
    box.hear(replace(good[0], speed_mps=-4.0))
    for fix in good[1:]:
        box.hear(fix)
    assert box.tally.rejected["out_of_range"] == 2
    assert box.bodies(KIND_TRACK)


def test_while_the_outbox_takes_nothing_fixes_wait_and_then_all_arrive(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.disk.full = True
    box.outbox.close()
    for fix in fixes(25):
        box.hear(fix)
    assert len(box.interval.waiting) == 25
    for n in range(MOST_EVENTS_WAITING + 5):
        box.recorder.happened(f"e{n}")
    assert box.tally.unobserved["event_outbox"] >= 5
    box.disk.full = False
    box.recorder.end()
    stored = [time_ms for body in box.bodies(KIND_TRACK) for time_ms in decode_track(body).times_ms]
    assert stored == [fix.utc_ms for fix in fixes(25)]
    assert f"e{MOST_EVENTS_WAITING + 4}" in box.events()
    box.outbox.close()


@pytest.mark.parametrize(("interval_s", "parked"), [(10, True), (3600, True), (3600, False)])
def test_a_fast_receiver_and_a_long_interval_give_up_no_fix_while_the_outbox_takes_them(
    tmp_path: Path, interval_s: float, parked: bool
) -> None:
    box = Box(tmp_path, quantum="receiver", tolerance_m=2.5, interval_s=interval_s, parked_interval_s=3600)
    fix = replace(fixes(10)[-1], utc_ms=None, parked=parked)
    for _ in range(MOST_WAITING + MOST_IN_A_RECORD):
        box.hear(fix, rate_hz=5)
    assert box.tally.unobserved["outbox"] == 0
    box.recorder.end()
    heard = [decode_track(body).observed for body in box.bodies(KIND_TRACK)]
    assert sum(heard) == MOST_WAITING + MOST_IN_A_RECORD
    assert len(heard) <= 2 + len(range(0, sum(heard), MOST_IN_A_RECORD))  # no record is cut short for it
    box.outbox.close()


def test_an_outbox_that_takes_nothing_is_not_asked_at_every_fix_that_waits(tmp_path: Path) -> None:
    box = Box(tmp_path, interval_s=3600)
    box.outbox.close()
    tries: list[float] = []
    fix = replace(fixes(1)[0], utc_ms=None)
    box.outbox.settle = lambda: bool(tries.append(box.now_s))  # type: ignore[method-assign]
    for _ in range(MOST_WAITING // 2 + MOST_IN_A_RECORD + 1):
        box.hear(fix, rate_hz=10)
    assert len(tries) == 2
    box.recorder.end()


def test_an_alarm_outlives_whatever_waits_beside_it_and_keeps_its_class(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.disk.full = True
    box.outbox.close()
    box.recorder.alarm("sos", call="c1")
    for n in range(MOST_EVENTS_WAITING + 5):
        box.recorder.happened(f"e{n}")
    box.disk.full = False
    box.recorder.flush()
    assert "sos" in box.events() and "e0" not in box.events()
    reader = OutboxReader(tmp_path / "outbox.db")
    assert [records_pb2.Event.FromString(row.body).name for row in reader.alarms(9)] == ["sos"]
    reader.close()
    box.outbox.close()


def test_a_flush_appends_the_open_interval_and_goes_on(box: Box) -> None:
    for fix in fixes(3):
        box.hear(fix)
    assert box.bodies(KIND_TRACK) == []
    appended = box.appended
    box.recorder.flush()
    assert len(box.bodies(KIND_TRACK)) == 1 and box.appended > appended
    for fix in fixes(6)[3:]:
        box.hear(fix)
    box.recorder.end()
    stored = [time_ms for body in box.bodies(KIND_TRACK) for time_ms in decode_track(body).times_ms]
    assert stored == [fix.utc_ms for fix in fixes(6)]


def test_killed_before_it_knows_that_a_refused_append_was_committed_the_fixes_after_it_are_kept(tmp_path: Path) -> None:
    told = fixes(15)
    killed = Box(tmp_path, disk=DyingDisk())
    for fix in told:
        killed.hear(fix)
    assert killed.disk.full and len(killed.interval.waiting) == 15, "it was refused"
    killed.outbox.close()  # a kill: nothing more is done with what waits
    killed.interval.close()
    after = Box(tmp_path)
    after.recorder.begin()
    after.recorder.end()
    stored = [time_ms for body in after.bodies(KIND_TRACK) for time_ms in decode_track(body).times_ms]
    assert stored == [fix.utc_ms for fix in told]
    after.outbox.close()


def test_a_stale_fix_is_declared_once_and_its_return_too(box: Box) -> None:
    box.hear(fixes(1)[0])
    for _ in range(200):
        box.recorder.turn()
        box.now_s += 1
    box.hear(fixes(2)[1])
    box.recorder.turn()
    assert box.events() == ["fix_lost", "fix_found"]
    lost = records_pb2.Event.FromString(box.bodies(KIND_EVENT)[0])
    assert 55 <= lost.fix_age_s <= 65
    assert lost.lat_e7 != 0


def test_a_clean_stop_appends_the_open_interval_and_a_last_account(box: Box) -> None:
    for fix in fixes(4):
        box.hear(fix)
    assert box.bodies(KIND_TRACK) == []
    box.recorder.end()
    assert [len(decode_track(body).times_ms) for body in box.bodies(KIND_TRACK)] == [4]
    assert len(box.bodies(KIND_HEALTH)) == 1


def test_news_ends_an_interval_early_and_no_fix_is_left_out_for_it(tmp_path: Path) -> None:
    quick = Profile(period_s=3.0)
    box = Box(tmp_path, modes=Profiles(moving=quick, mission=quick, working=quick))
    heard = fixes(30)
    for fix in heard:
        box.hear(fix)
    box.recorder.end()
    tracks = [decode_track(body) for body in box.bodies(KIND_TRACK)]
    assert [time_ms for track in tracks for time_ms in track.times_ms] == [fix.utc_ms for fix in heard]
    assert max(len(track.times_ms) for track in tracks) == 3
    box.outbox.close()


def test_a_burst_reports_each_fix_by_itself(tmp_path: Path) -> None:
    box = Box(tmp_path, policy=True, modes=Profiles(moving=Profile(), mission=Profile(), working=Profile()))
    assert box.modes is not None
    for fix in fixes(20):
        box.hear(fix)
    before = len(box.bodies(KIND_TRACK))
    box.modes.burst(1)
    for fix in fixes(30)[20:]:
        box.hear(fix)
    assert len(box.bodies(KIND_TRACK)) - before >= 10
    box.outbox.close()


def test_what_works_in_place_is_heard_of_each_minute_though_it_is_parked(tmp_path: Path) -> None:
    box = Box(tmp_path, policy=True, modes=Profiles(moving=Profile(), mission=Profile(), working=Profile(period_s=60)))
    assert box.modes is not None
    box.modes.input("pto", True)
    standing = replace(fixes(1)[0], speed_mps=0.0)
    for second in range(610):
        assert standing.utc_ms is not None
        box.hear(replace(standing, utc_ms=standing.utc_ms + 1000 * second))
    tracks = [decode_track(body) for body in box.bodies(KIND_TRACK)]
    assert 10 <= len(tracks) <= 13
    assert all(track.parked for track in tracks)
    box.outbox.close()


def test_an_account_goes_when_somebody_asks_for_it(box: Box) -> None:
    for fix in fixes(12):
        box.hear(fix)
    before = len(box.bodies(KIND_HEALTH))
    box.recorder.ask_health()
    box.recorder.turn()
    assert len(box.bodies(KIND_HEALTH)) == before + 1


def test_an_alarm_is_held_until_its_own_receipt(box: Box) -> None:
    assert not box.recorder.alarm_held
    box.recorder.alarm("sos", call="c1")
    assert box.recorder.alarm_held, "not yet appended"
    box.recorder.happened("supply", volts="12.0")
    box.recorder.send_events()
    reader = OutboxReader(box.folder / "outbox.db")
    rows = reader.above(0, 100)
    reader.close()
    (alarm,) = [row.id for row in rows if row.cls == CLASS_ALARM]
    assert box.recorder.alarm_held
    others = [row.id for row in rows if row.id != alarm]
    box.outbox.receipted(Ranges([(row, row) for row in others]))
    box.outbox.settle()
    assert box.recorder.alarm_held
    box.outbox.receipted(Ranges([(alarm, alarm)]))
    box.outbox.settle()
    assert not box.recorder.alarm_held
