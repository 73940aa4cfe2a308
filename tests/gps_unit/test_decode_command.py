"""`pantau decode` as a technician and as a program meet it."""

import json
from pathlib import Path

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from spoken import gga, nmea, rmc, zda
from typer.testing import CliRunner

from pantau.decode import decode
from pantau.rows import HEADER, csv_row, decimal, json_row

APP = typer.Typer(add_completion=False)
APP.command()(decode)
NOON = 1_795_435_200_000


def run(*arguments: str | Path, stdin: bytes | None = None) -> tuple[int, list[str], str]:
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments], input=stdin)
    return result.exit_code, result.stdout.splitlines(), result.stderr


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "drive.nmea"
    path.write_bytes(b"".join(rmc(f"12000{n}", n) + gga(f"12000{n}", n) for n in range(5)) + rmc("120005", status="V"))
    return path


def test_rows_are_exact_and_have_no_zeros_at_the_end() -> None:
    assert [decimal(*number) for number in ((-61754000, 7), (5, 7), (0, 2), (-5, 2), (1200, 2), (100, 0))] == [
        "-6.1754", "0.0000005", "0", "-0.05", "12", "100",
    ]  # fmt: skip
    row = (NOON, -61754000, 1068272167, -346, 257, None, 90, 9)
    assert csv_row(row) == f"{NOON},-6.1754,106.8272167,-3.46,2.57,,0.9,9"
    assert json.loads(json_row(row)) == {
        "unix_ms": NOON, "lat_deg": -6.1754, "lon_deg": 106.8272167, "alt_m": -3.46, "speed_mps": 2.57,
        "course_deg": None, "hdop": 0.9, "sats": 9,
    }  # fmt: skip


@given(st.integers(-(10**12), 10**12), st.integers(0, 9))
def test_a_decimal_is_the_number(value: int, decimals: int) -> None:
    from decimal import Decimal

    text = decimal(value, decimals)
    assert Decimal(text) == Decimal(value).scaleb(-decimals)
    assert "." not in text or text[-1] not in "0."


def test_csv_on_stdout_and_reasons_on_stderr(log: Path) -> None:
    code, out, err = run(log)
    assert code == 0
    assert out[0] == HEADER == "unix_ms,lat_deg,lon_deg,alt_m,speed_mps,course_deg,hdop,sats"
    assert out[1] == f"{NOON},-6.1754,106.8272167,12.3,2.57,45,0.9,9"
    assert len(out) == 6
    assert err == f"{log}: 5 fixes; rejected: not_valid 1\n"


def test_json_is_one_object_a_fix_and_one_a_log(log: Path) -> None:
    code, out, err = run("--json", log)
    assert (code, len(out)) == (0, 5)
    assert json.loads(out[0])["unix_ms"] == NOON
    assert json.loads(err) == {"log": str(log), "fixes": 5, "rejected": {"not_valid": 1}}


def test_policy_is_off_unless_asked_for(log: Path) -> None:
    assert len(run("--policy", log)[1]) == 4  # the first two have to be confirmed
    assert "unconfirmed 2" in run("--policy", log)[2]


def test_logs_decode_independently_of_each_other(log: Path, tmp_path: Path) -> None:
    undated = tmp_path / "undated.nmea"
    undated.write_bytes(gga("120001", 7))
    code, out, err = run(log, undated, log)
    assert (code, len(out)) == (0, 12)
    assert out[6].startswith(",-6.175")  # no date of the log before
    assert out[1:6] == out[7:]
    assert len(err.splitlines()) == 3


def test_a_late_date_reaches_back_and_a_missing_one_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "late.nmea"
    path.write_bytes(gga("115958", 0) + gga("115959", 1) + zda("120000") + gga("120000", 2))
    assert [row.split(",")[0] for row in run(path)[1][1:]] == [str(NOON - 2000), str(NOON - 1000), str(NOON)]


def test_dates_are_as_they_stand_in_the_log(tmp_path: Path) -> None:
    path = tmp_path / "rollover.nmea"
    path.write_bytes(rmc("120000", date="090407"))
    assert run(path)[1][1].split(",")[0] == str(NOON - 1024 * 7 * 86_400_000)


def test_what_people_wrote_into_a_log_is_not_the_receiver_speaking(tmp_path: Path) -> None:
    path = tmp_path / "commented.nmea"
    path.write_bytes(
        b"# it says " + rmc("110000") + b"#" + rmc("115959") + rmc("120000") + b"\xb5b\x01#\xff" + rmc("120001")
    )
    assert [row.split(",")[0] for row in run(path)[1][1:]] == [str(NOON), str(NOON + 1000)]


def test_a_dash_is_standard_input() -> None:
    code, out, err = run("-", stdin=rmc("120000"))
    assert (code, len(out)) == (0, 2)
    assert err.startswith("-: 1 fixes")


def test_a_log_that_is_not_there_is_said_before_anything_is_decoded(log: Path, tmp_path: Path) -> None:
    code, out, err = run(log, tmp_path / "none.nmea")
    assert (code, out) == (2, [])
    assert err == f"pantau decode: {tmp_path / 'none.nmea'}: No such file or directory\n"
    assert run(tmp_path)[0] == 2


@given(st.binary(max_size=3000))
@settings(max_examples=50)
def test_garbage_is_no_error(junk: bytes) -> None:
    code, out, _ = run("-", stdin=junk + b"\n" + nmea("GPGGA,120000,9999.0,N,,,1"))
    assert (code, out) == (0, [HEADER])
