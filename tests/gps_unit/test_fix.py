"""The epoch assembler: one fix an epoch, whatever the receiver's habits."""

from datetime import UTC, datetime
from itertools import pairwise
from re import fullmatch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spoken import gga, gll, gns, heard, nmea, rmc, vtg, zda

from edge.gps_unit.dates import ROLLOVER_MS
from edge.gps_unit.fix import EpochAssembler, Fix, backfill_dates, to_columns
from edge.gps_unit.nmea import Framer

NOON = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp() * 1000)


def clock(step: int, rate_hz: float = 1.0, digits: int = 2) -> str:
    """hhmmss.ss of the step-th epoch after noon."""
    total_ms = round(step * 1000 / rate_hz)
    text = f"12{total_ms // 60_000:02}{total_ms // 1000 % 60:02}.{total_ms % 1000:03}"
    return text[: 7 + digits] if digits else text[:6]


ORDERS = {
    "RMC first (u-blox, Garmin)": lambda t, n: rmc(t, n, talker="GN") + vtg() + gga(t, n, talker="GN") + gll(t, n),
    "GGA first (SiRF)": lambda t, n: gga(t, n) + gll(t, n) + rmc(t, n) + vtg(),
    "RMC last (Trimble)": lambda t, n: gga(t, n) + gns(t, n) + zda(t) + rmc(t, n),
    "ZDA first (Ericsson)": lambda t, n: zda(t) + gns(t, n) + vtg() + gll(t, n),
    "RMC alone": lambda t, n: rmc(t, n),
    "GGA every fourth": lambda t, n: rmc(t, n) + (gga(t, n) if n % 4 == 0 else b""),
    "GLL and ZDA": lambda t, n: gll(t, n) + zda(t),
    "GNS and ZDA": lambda t, n: gns(t, n) + zda(t),
    "two GGA (SiRF V)": lambda t, n: gga(t, n, talker="GP") + gga(t, n, talker="GN") + rmc(t, n),
    "GNS of each constellation (Trimble R2)": lambda t, n: gns(t, n) + nmea(f"GPGNS,{t},,,,,,6,,,,,") + rmc(t, n),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("rate_hz", [0.2, 0.5, 1, 2, 5, 10])
def test_any_order_at_any_rate_gives_each_epoch_once(order: str, rate_hz: float) -> None:
    fixes = heard(b"".join(ORDERS[order](clock(n, rate_hz), n) for n in range(40)))
    assert [fix.utc_ms for fix in fixes] == [NOON + round(n * 1000 / rate_hz) for n in range(40)]
    assert all(here.lat_deg < there.lat_deg for here, there in pairwise(fixes))


def test_a_step_that_is_no_whole_second_is_kept() -> None:
    times = ["120000.844", "120001.041", "120002.844", "120003.843"]
    fixes = heard(b"".join(gga(t, n) + rmc(t, n) for n, t in enumerate(times)))
    assert [fix.utc_ms for fix in fixes] == [NOON + ms for ms in (844, 1041, 2844, 3843)]


@pytest.mark.parametrize(
    ("first", "second", "utc_ms"),
    [
        (lambda n: gga(f"12000{n}.000", n), lambda n: rmc(f"12000{n}.00", n), 0),
        (lambda n: gll(f"12000{n}", n), lambda n: rmc(f"12000{n}.00", n), 0),
        (lambda n: gll(f"12000{n}.305", n), lambda n: rmc(f"12000{n}.31", n), 310),  # corpus: eXplorist210
        (lambda n: gll(f"12000{n}.295", n), lambda n: rmc(f"12000{n}.30", n), 300),
        (lambda n: rmc(f"12000{n}.9", n), lambda n: gll(f"12000{n}", n), 900),
        (lambda n: rmc(f"12000{n}", n), lambda n: gga(f"12000{n}.379", n), 379),  # the finer time
    ],
)
def test_times_of_one_epoch_may_be_written_differently(first: object, second: object, utc_ms: int) -> None:
    fixes = heard(b"".join(first(n) + second(n) for n in range(5)) + zda("120005"))  # type: ignore[operator]
    assert [fix.utc_ms for fix in fixes] == [NOON + 1000 * n + utc_ms for n in range(5)]


def test_an_epoch_comes_out_when_the_next_begins_or_on_flush_and_once() -> None:
    framer, epochs = Framer(), EpochAssembler()
    got = [
        epochs.feed(s, boottime_ms=b)
        for b, s in enumerate(framer.feed(rmc("120000", 0) + gga("120000") + rmc("120001", 1)))
    ]
    assert [fix.boottime_ms if fix else None for fix in got] == [None, None, 0]  # stamped by its first sentence
    last = epochs.flush()
    assert last
    assert (last.utc_ms, last.boottime_ms) == (NOON + 1000, 2)
    assert epochs.flush() is None


def test_utc_is_right_across_midnight_whichever_sentence_names_the_date() -> None:
    before, after = "235959.50", "000000.50"
    midnight = int(datetime(2026, 11, 24, tzinfo=UTC).timestamp() * 1000)
    today, tomorrow = "23,11,2026", "24,11,2026"
    streams = [
        rmc(before, 0) + gga(before, 0) + rmc(after, 1, date="241126") + gga(after, 1),
        gga(before, 0) + rmc(before, 0) + gga(after, 1) + rmc(after, 1, date="241126"),
        zda(before, today) + gga(before, 0) + gga(after, 1),
        gga(before, 0) + zda("000000.00", tomorrow) + gga(after, 1),  # midnight between two sentences
        zda(before, today) + gga(before, 0) + zda(after, tomorrow) + gga(after, 1),
    ]
    for stream in streams:
        assert [fix.utc_ms for fix in heard(stream)] == [midnight - 500, midnight + 500]


def test_a_date_is_carried_by_gga_alone_for_days() -> None:
    hours = [f"{(12 + n) % 24:02}0000" for n in range(100)]
    fixes = heard(zda("120000") + b"".join(gga(t, n) for n, t in enumerate(hours)))
    assert [fix.utc_ms for fix in fixes] == [NOON + 3_600_000 * n for n in range(100)]


def test_a_date_that_comes_late_reaches_back_over_midnight_and_no_date_stays_none() -> None:
    undated = heard(gga("235958", 0) + gga("235959", 1) + gga("000000", 2))
    assert [fix.utc_ms for fix in undated] == [None] * 3
    assert undated[0].time_of_day_ms == 86_398_000
    assert backfill_dates(undated) == undated
    midnight = int(datetime(2026, 11, 24, tzinfo=UTC).timestamp() * 1000)
    late = heard(
        gga("235958", 0) + gga("235959", 1) + gga("000000", 2) + zda("000001", "24,11,2026") + gga("000001", 3)
    )
    dated = backfill_dates(late)
    assert [fix.utc_ms for fix in dated] == [midnight - 2000, midnight - 1000, midnight, midnight + 1000]
    assert backfill_dates([]) == []


def test_where_rmc_says_v_the_epoch_is_not_valid() -> None:
    for stream in (
        rmc("120000", status="V") + gga("120000"),
        gga("120000") + gll("120000") + rmc("120000", status="V"),
    ):
        epochs = EpochAssembler()
        assert heard(stream, epochs) == []
        assert epochs.rejected == {"not_valid": 1}
    # An RMC without a time, as Quectel sends it, is of the epoch that is open.
    assert heard(gga("120000") + nmea("GPRMC,,V,,,,,,,,,,N")) == []


def test_one_constellation_without_a_solution_does_not_spoil_the_other() -> None:
    assert len(heard(rmc("120000", talker="GA", status="V") + rmc("120000", talker="GP") + gga("120000"))) == 1


def test_the_date_of_an_rmc_that_says_v_is_not_believed() -> None:
    bogus = rmc("235946", status="V", date="050180")  # MTK3301
    assert [fix.utc_ms for fix in heard(zda("120000") + bogus + gga("120001"))] == [NOON + 1000]


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (gga("120000", quality="0"), "no_fix"),
        (gga("120000", quality=""), "no_fix"),
        (gll("120000", status="V"), "no_fix"),
        (gns("120000", modes="NNN"), "no_fix"),
        (nmea("GPGGA,,,,,,0,,,,,,,,"), "no_fix"),
        (gga(""), "no_time"),
        (rmc("120000", 0) + gga("120000", 500), "conflicting"),
        (rmc("120000") * 3, "repeated"),
        (nmea("GPGGA,120000,9912.0,S,10649.0,E,1,,,,,,,,"), "malformed"),
    ],
)
def test_what_gives_no_fix_is_counted_by_reason(stream: bytes, reason: str) -> None:
    epochs = EpochAssembler()
    heard(stream, epochs)
    assert epochs.rejected == {reason: 1}


def test_two_that_agree_outvote_one_that_was_damaged_unseen() -> None:
    (fix,) = heard(rmc("120000", 0) + gga("120000", 500) + gll("120000", 0))
    assert fix.lat_deg == pytest.approx(-6.1754)


def test_a_receiver_whose_clock_stands_still_gives_its_epoch_once() -> None:
    epochs = EpochAssembler()
    fixes = heard(b"".join(gga("120000", 0) + rmc("120000", 0) for _ in range(50)), epochs)
    assert len(fixes) == 1
    assert epochs.rejected["repeated"] >= 24


def test_a_doubled_stream_is_the_stream() -> None:
    cycles = [(gga(clock(n), n), rmc(clock(n), n, status="V" if n == 3 else "A"), vtg()) for n in range(6)]
    once = heard(b"".join(sentence for cycle in cycles for sentence in cycle))
    assert heard(b"".join(sentence * 2 for cycle in cycles for sentence in cycle)) == once
    assert len(once) == 5


def test_a_clock_that_steps_back_names_instants_again_and_loses_no_epoch() -> None:
    seconds = [40, 41, 42, 41, 42, 43]  # corpus: genivi_munich
    fixes = heard(b"".join(rmc(f"1200{s}", n) + gga(f"1200{s}", n) for n, s in enumerate(seconds)))
    assert [fix.utc_ms for fix in fixes] == [NOON + 1000 * s for s in seconds]
    # …but the same instant at the same place is the same epoch: two receivers, or a replay.
    assert len(heard(b"".join(rmc(f"1200{s}", s) for s in seconds))) == 4


def test_estimated_and_synthetic_fixes_are_marked() -> None:
    kinds = [gga("120000", quality="6"), gga("120001", quality="8"), gga("120002", quality="1")]
    assert [(f.estimated, f.synthetic) for f in heard(b"".join(kinds))] == [(True, False), (True, True), (False, False)]
    (fix,) = heard(rmc("120000", mode="E") + gga("120000", quality="1"))
    assert fix.estimated


def test_speed_and_course_are_of_rmc_else_of_vtg() -> None:
    (fix,) = heard(rmc("120000") + vtg("7.00", "90.0") + gga("120000"))
    assert (fix.speed_mps, fix.course_deg) == (pytest.approx(2.572222), 45.0)
    after = heard(b"".join(gga(clock(n), n) + vtg(f"{n}.00") for n in range(5)))
    assert [fix.speed_mps for fix in after] == [pytest.approx(n * 0.514444, abs=1e-4) for n in range(5)]
    assert heard(gga("120000") + vtg(mode="N"))[0].speed_mps is None


def test_course_is_none_when_empty() -> None:
    body = "GPRMC,120000,A,0610.5,S,10649.6,E,0.00,,231126,,,A"  # SiRF III, u-blox 8 at standstill
    (fix,) = heard(nmea(body))
    assert (fix.speed_mps, fix.course_deg) == (0, None)


def test_a_week_rollover_is_undone_only_where_a_build_date_is_given() -> None:
    old = rmc("120000", date="090407")  # 1024 weeks before 2026-11-23
    (as_said,) = heard(old)
    (corrected,) = heard(old, EpochAssembler(not_before_utc_ms=NOON - 86_400_000 * 300))
    assert (as_said.utc_ms, corrected.utc_ms) == (NOON - ROLLOVER_MS, NOON)
    assert heard(zda("120000", "09,04,2007") + gga("120000"), EpochAssembler(NOON))[0].utc_ms == NOON


def test_columns_are_base_units() -> None:
    fix = Fix(
        utc_ms=NOON, time_of_day_ms=0, boottime_ms=5, lat_deg=-6.17540004, lon_deg=106.82721666, alt_msl_m=-3.456,
        speed_mps=2.5722, course_deg=359.999, hdop=0.9, satellites=9,
    )  # fmt: skip
    assert to_columns(fix) == (NOON, -61754000, 1068272167, -346, 257, 0, 90, 9)
    bare = Fix(utc_ms=None, time_of_day_ms=0, boottime_ms=5, lat_deg=1, lon_deg=1)
    assert to_columns(bare) == (5, 10**7, 10**7, None, None, None, None, None)


SENTENCE = st.one_of(
    st.builds(
        rmc, st.sampled_from(["120000", "120000.5", "120001", ""]), st.integers(0, 3), status=st.sampled_from("AV")
    ),
    st.builds(
        gga, st.sampled_from(["120000", "120000.50", "235959.999", ""]), st.integers(0, 3), st.sampled_from("0126")
    ),
    st.builds(gll, st.sampled_from(["120000.123", "120001"]), st.integers(0, 3)),
    st.builds(gns, st.sampled_from(["120000", "000000"])),
    st.sampled_from([vtg(), zda("120000"), zda("000000", "01,01,1980"), b"\xb5b$\x00", b"$GPGGA,12"]),
)


@given(st.lists(SENTENCE, max_size=40), st.randoms(use_true_random=False), st.sampled_from([0, 1, 3]))
@settings(max_examples=200)
def test_no_fix_is_at_a_place_that_no_intact_sentence_names(cycle: list[bytes], chance: object, damages: int) -> None:
    stream = bytearray(b"".join(cycle))
    for _ in range(damages):
        at = chance.randrange(len(stream) + 1)  # type: ignore[attr-defined]
        stream[at : at + chance.randrange(3)] = bytes(stream[at : at + 1]) * chance.randrange(3)  # type: ignore[attr-defined]
    framer, epochs = Framer(), EpochAssembler()
    intact = [sentence.text for sentence in framer.feed(bytes(stream))]
    fixes = [fix for fix in [*(epochs.feed(s) for s in Framer().feed(bytes(stream))), epochs.flush()] if fix]
    places = {f"{abs(fix.lat_deg):.9f}" for fix in fixes}
    # A sentence damaged twice may be intact by its checksum, and its latitude no number.
    minutes = [match[1] for text in intact for part in text.split(",") if (match := fullmatch(r"06(10\.\d*)", part))]
    named = {f"{6 + float(minute) / 60:.9f}" for minute in minutes}
    assert places <= named
    assert all(here != there for here, there in pairwise(fixes))
