"""One sentence: every field is right, unknown, or the sentence is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spoken import nmea

from edge.gps_unit.nmea import Framer
from edge.gps_unit.reading import Malformed, Reading, read


def reading(body: str) -> Reading:
    (sentence,) = Framer().feed(nmea(body))
    got = read(sentence)
    assert got is not None
    return got


def test_rmc_with_all_fields() -> None:
    got = reading("GNRMC,123519.25,A,4807.0380,N,01131.0000,W,022.4,084.4,230394,003.1,W,A,V")
    assert (got.talker, got.kind, got.time_ms, got.time_step_ms) == ("GN", "RMC", 45319250, 10)
    assert got.day == 8847  # 1994-03-23
    assert got.valid  # though pynmea2 says no: navigational status V is "not provided"
    assert got.position
    assert (got.position.lat_deg, got.position.lon_deg) == (pytest.approx(48.1173), pytest.approx(-11.516666667))
    assert got.speed_mps == pytest.approx(22.4 * 0.514444444)
    assert got.course_deg == 84.4


def test_gga_with_all_fields() -> None:
    got = reading("GPGGA,000000,0000.6000,S,17959.9999,E,2,08,0.9,-3.4,M,46.9,M,,")
    assert got.position
    assert (got.position.lat_deg, got.time_ms, got.time_step_ms) == (-0.01, 0, 1000)
    assert (got.valid, got.alt_msl_m, got.hdop, got.satellites) == (True, -3.4, 0.9, 8)


def test_milliseconds_are_not_lost_to_a_float() -> None:
    for hundredths in range(100):
        assert reading(f"GPGLL,,,,,000001.{hundredths:02},V").time_ms == 1000 + 10 * hundredths


@pytest.mark.parametrize(
    ("body", "valid", "estimated", "synthetic"),
    [
        ("GPRMC,1,A,{},,,010126,,,A", True, False, False),
        ("GPRMC,1,A,{},,,010126,,", True, False, False),  # before NMEA 2.3: no mode
        ("GPRMC,1,D,{},,,010126,,,D", True, False, False),
        ("GPRMC,1,V,{},,,010126,,,A", False, False, False),
        ("GPRMC,1,A,{},,,010126,,,N", False, False, False),
        ("GPRMC,1,,{},,,010126,,,", False, False, False),
        ("GPRMC,1,A,{},,,010126,,,E", True, True, False),
        ("GPRMC,1,A,{},,,010126,,,M", True, False, True),
        ("GPRMC,1,A,{},,,010126,,,S", True, False, True),
        ("GPGGA,1,{},0,05,1.0,1,M,,M,,", False, False, False),
        ("GPGGA,1,{},,05,1.0,1,M,,M,,", None, False, False),  # corpus: myguide-3100, RMC decides
        ("GPGGA,1,{},5,05,1.0,1,M,,M,,", True, False, False),
        ("GPGGA,1,{},6,05,1.0,1,M,,M,,", True, True, False),
        ("GPGGA,1,{},7,05,1.0,1,M,,M,,", True, False, True),
        ("GPGGA,1,{},8,05,1.0,1,M,,M,,", True, False, True),
        ("GPGGA,1,{},9,05,1.0,1,M,,M,,", True, False, False),  # NovAtel: SBAS
        ("GPGGA,1,{},10,05,1.0,1,M,,M,,", False, False, False),
        ("GPGLL,{},1,A", True, False, False),
        ("GPGLL,{},1,V", False, False, False),
        ("GPGLL,{},1,A,N", False, False, False),
        ("GPGLL,{},1,A,E", True, True, False),
        ("GPGLL,{}", False, False, False),  # Garmin 65: neither time nor status
        ("GNGNS,1,{},NNN,0,,,,,", False, False, False),
        ("GNGNS,1,{},,0,,,,,", False, False, False),
        ("GNGNS,1,{},NAN,5,1.0,1,1,,", True, False, False),  # GLONASS alone
        ("GNGNS,1,{},EE,5,1.0,1,1,,", True, True, False),
        ("GNGNS,1,{},AE,5,1.0,1,1,,", True, False, False),
        ("GNGNS,1,{},S,5,1.0,1,1,,", True, False, True),
    ],
)
def test_what_each_sentence_says_of_its_fix(body: str, valid: bool | None, estimated: bool, synthetic: bool) -> None:
    got = reading(body.replace(",1,", ",120000.00,", 1).format("0612.6,S,10649.6,E"))
    assert (got.valid, got.estimated, got.synthetic) == (valid, estimated, synthetic)
    assert (got.position is not None) == bool(valid)


@pytest.mark.parametrize(
    "absurd",
    ["hdop=99.99", "hdop=99.0", "hdop=50.0", "hdop=0", "hdop=-1", "hdop=x", "hdop=1e1", "alt=-704.5", "alt=99999",
     "alt=nan", "sats=-1", "sats=x", "sats=255"],
)  # fmt: skip
def test_an_absurd_figure_is_unknown(absurd: str) -> None:
    name, value = absurd.split("=")
    fields = {"hdop": "0.9", "alt": "5.0", "sats": "09"} | {name: value}
    got = reading("GPGGA,120000.00,0612.6,S,10649.6,E,1,{sats},{hdop},{alt},M,,M,,".format(**fields))
    assert got.position
    assert {"hdop": got.hdop, "alt": got.alt_msl_m, "sats": got.satellites}[name] is None


def test_an_absurd_speed_or_course_is_unknown() -> None:
    got = reading("GPRMC,120000,A,0612.6,S,10649.6,E,9999.9,361,231126,,,A")
    assert (got.speed_mps, got.course_deg) == (None, None)
    assert reading("GPRMC,120000,A,0612.6,S,10649.6,E,,,231126,,,A").course_deg is None
    assert reading("GPRMC,120000,A,0612.6,S,10649.6,E,0,360.0,231126,,,A").course_deg == 0


def test_a_bogus_date_is_none() -> None:
    for date in ("000000", "310226", "2311", "", "23112026", "xx1126"):
        assert reading(f"GPRMC,120000,A,0612.6,S,10649.6,E,,,{date},,,A").day is None
    assert reading("GPZDA,120000,31,02,2026,00,00").day is None
    assert reading("GPZDA,120000,,,,,").day is None


@pytest.mark.parametrize(
    "where",
    [",,,", "0612.6,,10649.6,E", "0612.6,S,10649.6,", ",S,10649.6,E", "0000.000,N,00000.000,E"],
)
def test_a_position_with_an_empty_part_or_at_0_0_is_none(where: str) -> None:
    assert reading(f"GPGGA,120000,{where},1,05,1.0,1,M,,M,,").position is None


@pytest.mark.parametrize(
    "body",
    [
        "GPGGA,120000,8960.000,N,00000.000,E,1,05,1.0,1,M,,M,,",  # minutes
        "GPGGA,120000,9000.001,N,00000.000,E,1,05,1.0,1,M,,M,,",
        "GPGGA,120000,0612.6,S,18000.1,E,1,05,1.0,1,M,,M,,",
        "GPGGA,120000,012.6,S,10649.6,E,1,05,1.0,1,M,,M,,",  # a lost digit
        "GPGGA,120000,0612.6,S,0649.6,E,1,05,1.0,1,M,,M,,",
        "GPGGA,120000,0612.6000,S,10649.60,E,1,05,1.0,1,M,,M,,",
        "GPGGA,120000,0612.6,NS,10649.6,E,1,05,1.0,1,M,,M,,",
        "GPGGA,120000,-612.6,S,10649.6,E,1,05,1.0,1,M,,M,,",
        "GPGGA,1200,0612.6,S,10649.6,E,1,05,1.0,1,M,,M,,",
        "GPGGA,250000,0612.6,S,10649.6,E,1,05,1.0,1,M,,M,,",
        "GPGGA,126000,0612.6,S,10649.6,E,1,05,1.0,1,M,,M,,",
        "GPGGA,12:00:00,0612.6,S,10649.6,E,1,05,1.0,1,M,,M,,",
    ],
)
def test_what_cannot_be_a_time_or_a_position_refuses_the_sentence(body: str) -> None:
    with pytest.raises(Malformed):
        reading(body)


def test_a_placeholder_of_a_receiver_without_fix_is_no_damage() -> None:
    assert reading("GPRMC,235946.005,V,8960.000000,N,00000.000000,E,0.000,0.00,050180,,,N").valid is False  # MTK-3301
    assert reading("GPGLL,36000.0000,N,72000.0000,E,000452.981,V").valid is False  # TN-200


def test_zeros_in_front_may_be_missing() -> None:
    position = reading("GPGGA,120000,612.6,S,849.6,E,1,05,1.0,1,M,,M,,").position
    assert position
    assert (position.lat_deg, position.lon_deg) == (pytest.approx(-6.21), pytest.approx(8.826666667))


def test_integer_minutes_are_a_position() -> None:
    position = reading("GPGGA,120000,0612,S,10649,E,1,05,1.0,1,M,,M,,").position
    assert position
    assert (position.lat_deg, position.lon_deg) == (pytest.approx(-6.2), pytest.approx(106.816666667))


def test_vtg_gives_knots_else_kilometres_and_nothing_when_not_valid() -> None:
    assert reading("GPVTG,90.0,T,,M,10.0,N,18.5,K,A").speed_mps == pytest.approx(5.144444)
    assert reading("GPVTG,90.0,T,,M,,N,18.0,K").speed_mps == pytest.approx(5.0)
    not_valid = reading("GPVTG,90.0,T,,M,10.0,N,18.5,K,N")
    assert (not_valid.speed_mps, not_valid.course_deg) == (None, None)


def test_sentences_that_say_nothing_of_a_fix_are_passed_over() -> None:
    for body in ("GPGSV,1,1,00", "GPTXT,01,01,02,hello", "PGRMC,A,1", "PUBX,00,1", "GPGSA,A,3,,,,,,,,,,,,,1,1,1"):
        (sentence,) = Framer().feed(nmea(body))
        assert read(sentence) is None


FIELDS = st.text(alphabet="0123456789.,-+ANSEWVMDx ", max_size=60)


@given(st.sampled_from(["GPRMC", "GNGGA", "GPGLL", "GNGNS", "GPVTG", "GPZDA"]), FIELDS)
def test_whatever_the_fields_hold_only_plausible_values_come_out(address: str, fields: str) -> None:
    (sentence,) = Framer().feed(nmea(f"{address},{fields}"))
    try:
        got = read(sentence)
    except Malformed:
        return
    assert got
    assert got.time_ms is None or 0 <= got.time_ms < 86_401_000
    assert got.speed_mps is None or 0 <= got.speed_mps <= 515
    assert got.course_deg is None or 0 <= got.course_deg < 360
    assert got.hdop is None or 0 < got.hdop < 99
    assert got.position is None or (abs(got.position.lat_deg) <= 90 and abs(got.position.lon_deg) <= 180)
    assert got.position is None or got.valid
