"""UTC only when somebody trustworthy said so; no date, however wrong, poisons the box for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import clock as clock_module
from edge.clock import ANCHOR_EVERY_MS, BUILT_UTC_MS, Anchor, Clock, ntp_says_synchronised, read_boot_id
from wire.kinds import SOURCE_GNSS, SOURCE_NTP

NOW_MS = 1_795_000_000_000  # 2026-11-18
YEAR_MS = 31_557_600_000


class Os:
    """The OS clocks as a box has them: boot time runs, real time is whatever somebody set."""

    def __init__(self, *, realtime_ms: int = 0, ntp: bool = False) -> None:
        self.boottime_ms, self.realtime_ms, self.ntp = 60_000, realtime_ms, ntp

    def pass_ms(self, ms: int) -> None:
        self.boottime_ms += ms
        self.realtime_ms += ms

    def clock(self, floor_utc_ms: int = 0, floors: list[int] | None = None, *, any_date: bool = False) -> Clock:
        return Clock(
            any_date=any_date,
            floor_utc_ms=floor_utc_ms,
            on_floor=None if floors is None else floors.append,
            boot_id=0x1234,
            boottime_ns=lambda: self.boottime_ms * 1_000_000,
            realtime_ns=lambda: self.realtime_ms * 1_000_000,
            ntp_synchronised=lambda: self.ntp,
        )


def test_utc_is_unknown_until_somebody_said_it() -> None:
    box = Os(realtime_ms=NOW_MS)
    clock = box.clock()
    assert clock.utc_ms() is None and not clock.sane
    assert clock.take_anchor() is None
    assert clock.stamp() == (None, 0x1234, 60_000)


def test_gnss_makes_it_sane_and_says_so_in_one_anchor() -> None:
    box = Os()
    clock = box.clock()
    clock.heard_gnss(NOW_MS, 59_500)
    assert clock.utc_ms() == NOW_MS + 500
    assert clock.take_anchor() == Anchor(0x1234, 60_000, NOW_MS + 500, SOURCE_GNSS)
    assert clock.take_anchor() is None


def test_ntp_makes_it_sane_on_a_box_without_gnss() -> None:
    box = Os(realtime_ms=NOW_MS, ntp=True)
    clock = box.clock()
    anchor = clock.take_anchor()
    assert anchor is not None and anchor.source == SOURCE_NTP
    assert clock.utc_ms() == NOW_MS


def test_an_os_clock_set_by_hand_moves_nothing() -> None:
    box = Os(realtime_ms=NOW_MS, ntp=True)
    clock = box.clock()
    clock.take_anchor()
    box.ntp = False
    box.realtime_ms -= 20 * YEAR_MS
    box.pass_ms(3_600_000)
    assert clock.take_anchor() is None
    assert clock.utc_ms() == NOW_MS + 3_600_000


def test_a_box_that_replays_a_log_lives_in_its_time_and_judges_certificates_by_ours() -> None:
    box = Os(realtime_ms=NOW_MS, ntp=True)
    clock = box.clock(any_date=True)
    assert clock.take_anchor() is None  # nobody but the log says what time it is
    assert clock.heard_gnss(NOW_MS - 10 * YEAR_MS, 60_000)
    assert clock.stamp()[0] == NOW_MS - 10 * YEAR_MS
    assert clock.take_anchor() == Anchor(0x1234, 60_000, NOW_MS - 10 * YEAR_MS, SOURCE_GNSS)
    assert clock.known_utc_ms() is None and not clock.os_clock_right()
    clock.heard_receipt(NOW_MS)
    box.pass_ms(1_000)
    assert clock.heard_gnss(NOW_MS - 10 * YEAR_MS + 240_000)  # the floor is another time's
    assert clock.utc_ms() == NOW_MS - 10 * YEAR_MS + 240_000
    assert clock.known_utc_ms() == (NOW_MS + 1_000, NOW_MS + 1_000) and clock.os_clock_right()


def test_each_replay_is_a_boot_of_its_own() -> None:
    assert len({Clock(any_date=True).boot_id for _ in range(3)} | {read_boot_id()}) == 4
    assert Clock().boot_id == read_boot_id()


def test_a_log_that_is_of_now_dates_certificates_too() -> None:
    box = Os(realtime_ms=NOW_MS)
    clock = box.clock(any_date=True)
    clock.heard_gnss(NOW_MS)
    assert clock.known_utc_ms() == (NOW_MS, NOW_MS) and clock.os_clock_right()


def test_a_step_of_ntp_is_told_in_an_anchor() -> None:
    box = Os(realtime_ms=NOW_MS, ntp=True)
    clock = box.clock()
    clock.take_anchor()
    box.pass_ms(60_000)
    box.realtime_ms += 2_000
    anchor = clock.take_anchor()
    assert anchor is not None and anchor.utc_ms == NOW_MS + 62_000


@pytest.mark.parametrize("utc_ms", [0, BUILT_UTC_MS - YEAR_MS, NOW_MS - 20 * YEAR_MS])
def test_a_date_before_the_build_is_only_counted(utc_ms: int) -> None:
    clock = Os().clock()
    clock.heard_gnss(utc_ms)
    assert not clock.sane
    assert clock.rejected["gnss_date"] == 1


def test_a_spoofed_2046_is_forgotten_as_soon_as_the_sky_is_honest_again() -> None:
    box, floors = Os(), []
    clock = box.clock(floors=floors)
    clock.heard_gnss(NOW_MS)
    clock.take_anchor()
    clock.heard_gnss(NOW_MS + 20 * YEAR_MS)
    wrong = clock.take_anchor()
    assert wrong is not None and wrong.utc_ms == NOW_MS + 20 * YEAR_MS
    assert floors == []  # a restart knows nothing of it
    clock.heard_gnss(NOW_MS)
    right = clock.take_anchor()
    assert right is not None and right.utc_ms == NOW_MS
    assert clock.utc_ms() == NOW_MS


def test_only_a_receipt_raises_the_floor_and_it_is_persisted_at_most_hourly() -> None:
    box, floors = Os(), []
    clock = box.clock(floors=floors)
    clock.heard_gnss(NOW_MS + YEAR_MS)
    assert clock.floor_utc_ms == BUILT_UTC_MS
    for _ in range(120):
        clock.heard_receipt(NOW_MS + box.boottime_ms)
        box.pass_ms(60_000)
    assert clock.floor_utc_ms == NOW_MS + box.boottime_ms - 60_000
    assert len(floors) == 2
    assert box.clock(floor_utc_ms=floors[-1]).floor_utc_ms == floors[-1]


def test_a_centre_gone_mad_can_not_raise_the_floor_beyond_reason() -> None:
    clock = Os().clock()
    for utc_ms in (NOW_MS + 30 * YEAR_MS, -1, 0, 1 << 63):
        clock.heard_receipt(utc_ms)
    assert clock.floor_utc_ms == BUILT_UTC_MS
    assert clock.rejected["receipt_date"] == 4


def test_a_centre_whose_own_certificate_has_ended_does_not_say_what_time_it_is() -> None:
    floors: list[int] = []
    clock = Os().clock(floors=floors)
    clock.heard_receipt(NOW_MS + 10 * YEAR_MS, until_utc_ms=NOW_MS + YEAR_MS)
    clock.heard_receipt(NOW_MS - 20 * YEAR_MS, until_utc_ms=NOW_MS + YEAR_MS)
    assert clock.floor_utc_ms == BUILT_UTC_MS and floors == [] and clock.known_utc_ms() is None
    assert clock.rejected["receipt_date"] == 2


def test_a_floor_that_a_wrong_centre_raised_comes_down_when_the_centre_is_right_again() -> None:
    floors: list[int] = []
    clock = Os().clock(floors=floors)
    clock.heard_receipt(NOW_MS + YEAR_MS // 2, until_utc_ms=NOW_MS + YEAR_MS)
    assert not clock.heard_gnss(NOW_MS)
    clock.heard_receipt(NOW_MS)
    assert clock.heard_gnss(NOW_MS) and clock.sane
    assert clock.floor_utc_ms == floors[-1] == NOW_MS
    clock.heard_receipt(NOW_MS - 60_000)  # one that was long on its way is no reason
    assert clock.floor_utc_ms == NOW_MS


def test_a_sky_and_a_centre_that_differ_are_both_known() -> None:
    box = Os(realtime_ms=NOW_MS)
    clock = box.clock()
    clock.heard_receipt(NOW_MS)
    clock.heard_gnss(NOW_MS + 20 * YEAR_MS)
    assert clock.known_utc_ms() == (NOW_MS, NOW_MS + 20 * YEAR_MS)
    assert not clock.os_clock_right()


def test_a_persisted_floor_beyond_reason_is_worn_and_forgotten() -> None:
    clock = Os().clock(floor_utc_ms=1 << 62)
    assert clock.floor_utc_ms == BUILT_UTC_MS
    clock.heard_gnss(NOW_MS)
    assert clock.sane


def test_utc_before_the_last_receipt_is_no_longer_sane_but_a_slow_clock_is() -> None:
    clock = Os().clock()
    clock.heard_gnss(BUILT_UTC_MS + 1_000)
    clock.heard_receipt(BUILT_UTC_MS + 10_000)
    assert clock.sane
    clock.heard_receipt(NOW_MS)
    assert not clock.sane


def test_a_receipt_does_not_make_utc_sane_but_dates_a_certificate() -> None:
    box = Os()
    clock = box.clock()
    clock.heard_receipt(NOW_MS)
    box.pass_ms(5_000)
    assert clock.utc_ms() is None
    assert clock.known_utc_ms() == (NOW_MS + 5_000, NOW_MS + 5_000)
    assert not clock.os_clock_right()
    box.realtime_ms = NOW_MS
    assert clock.os_clock_right()
    for hours_off_ms in (-7_200_000, 7_200_000):  # a certificate issued an hour ago would not hold by it
        box.realtime_ms = NOW_MS + hours_off_ms
        assert not clock.os_clock_right()


def test_latency_of_the_serial_line_does_not_make_utc_jump() -> None:
    box = Os()
    clock = box.clock()
    for second in range(100):
        box.pass_ms(1_000)
        clock.heard_gnss(NOW_MS + second * 1_000, box.boottime_ms + (300 if second % 3 else 50))
    utc_ms = clock.utc_ms()
    assert utc_ms is not None and -70 <= utc_ms - (NOW_MS + 99_000) <= -50 + 20
    assert clock.take_anchor() is not None
    assert clock.take_anchor() is None


def test_ntp_is_asked_again_only_after_gnss_was_silent_for_long() -> None:
    box = Os(realtime_ms=NOW_MS + 5_000, ntp=True)
    clock = box.clock()
    clock.heard_gnss(NOW_MS)
    clock.take_anchor()
    box.pass_ms(300_000)
    assert clock.take_anchor() is None
    box.pass_ms(400_000)
    anchor = clock.take_anchor()
    assert anchor is not None and anchor.source == SOURCE_NTP


def test_a_clock_that_runs_away_all_the_time_tells_it_once_a_minute() -> None:
    box, anchors = Os(), 0
    clock = box.clock()
    for epoch in range(12_000):  # 10 minutes of a log at 20 times speed
        box.pass_ms(50)
        clock.heard_gnss(NOW_MS + epoch * 1_000)
        anchors += clock.take_anchor() is not None
    assert 10 <= anchors <= 13


@given(st.lists(st.tuples(st.integers(-(1 << 50), 1 << 50), st.integers(0, 600_000)), max_size=40))
def test_whatever_the_sky_says_utc_is_never_below_the_floor_and_anchors_are_few(said: list[tuple[int, int]]) -> None:
    box, anchors = Os(), 0
    clock = box.clock()
    start_ms = box.boottime_ms
    for utc_ms, passed_ms in said:
        box.pass_ms(passed_ms)
        clock.heard_gnss(utc_ms)
        anchors += clock.take_anchor() is not None
        seen = clock.utc_ms()
        assert seen is None or seen >= clock.floor_utc_ms - 86_400_000
    assert anchors <= 3 + (box.boottime_ms - start_ms) // ANCHOR_EVERY_MS
    clock.heard_gnss(NOW_MS)
    assert clock.sane


def test_the_boot_id_is_the_kernels_first_eight_bytes(tmp_path: Path) -> None:
    path = tmp_path / "boot_id"
    path.write_text("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9\n")
    assert read_boot_id(path) == 0x0A1B2C3D4E5F6071
    assert read_boot_id() == Clock().boot_id


def test_timesyncd_says_it_by_a_file_and_others_through_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ntp_says_synchronised() in (True, False)
    monkeypatch.setattr(clock_module, "_TIMESYNC", tmp_path)
    assert not ntp_says_synchronised()
    (tmp_path / "synchronized").touch()
    assert ntp_says_synchronised()
