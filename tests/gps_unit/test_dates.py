"""Days of undated times, and the week rollover."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from edge.gps_unit.dates import DAY_MS, ROLLOVER_MS, day_number, full_year, instant_after, instant_before, unroll

HOUR_MS = 3_600_000


def ms(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type,misc]


def test_days_and_years() -> None:
    assert day_number(1970, 1, 1) == 0
    assert day_number(2024, 2, 29) == ms(2024, 2, 29) // DAY_MS
    assert day_number(2023, 2, 29) is None
    assert day_number(2026, 0, 0) is None
    assert (full_year(80), full_year(99), full_year(0), full_year(79)) == (1980, 1999, 2000, 2079)


@given(st.integers(0, DAY_MS - 1), st.integers(ms(1990, 1, 1), ms(2060, 1, 1)))
def test_an_undated_time_is_within_a_day_of_its_reference(time_ms: int, reference: int) -> None:
    after, before = instant_after(time_ms, reference), instant_before(time_ms, reference)
    assert after % DAY_MS == before % DAY_MS == time_ms
    assert -HOUR_MS <= after - reference < DAY_MS - HOUR_MS
    assert -HOUR_MS <= reference - before < DAY_MS - HOUR_MS


def test_midnight_between_a_date_and_its_fix_is_seen_both_ways() -> None:
    midnight = ms(2026, 11, 24)
    assert instant_after(DAY_MS - 100, midnight) == midnight - 100
    assert instant_after(100, midnight - 100) == midnight + 100
    assert instant_before(DAY_MS - 100, midnight + 50) == midnight - 100


def test_rollover_adds_weeks_only_while_before_the_build_and_within_twenty_years() -> None:
    build = ms(2026, 1, 1)
    true = ms(2026, 11, 23)
    assert unroll(true, build, build) == true
    assert unroll(true - ROLLOVER_MS, build, build) == true
    assert unroll(true - 2 * ROLLOVER_MS, build, build) == true
    assert unroll(ms(1980, 1, 6), build, build) == ms(1980, 1, 6) + 3 * ROLLOVER_MS
    # 1024 weeks on is 19.6 years on: still possible. Beyond 20 years the date is left as it is.
    assert unroll(build - 1, build, build) == build - 1 + ROLLOVER_MS
    assert unroll(build - 1, build, build - 2 * 365 * DAY_MS) == build - 1
