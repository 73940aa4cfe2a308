"""What was found is told apart by where it comes from, and made as small as leaving out can make it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import minimise
from fuzz.minimise import fails_with, minimised
from fuzz.signature import signature, told


def hold(data: bytes) -> None:
    """Fails for two reasons, on two lines."""
    if b"\x00\x01" in data:
        raise ValueError("first")
    if data.count(b"x") >= 3:
        raise ValueError("second")


def test_two_failures_are_two_findings_and_one_failure_is_one() -> None:
    errors = [fails_with(hold, data) for data in (b"\x00\x01", b"xxx", b"yyx\x00\x01")]
    first, second, again = [signature(error) for error in errors if error is not None]
    assert first == again != second
    assert first.startswith("ValueError tests/fuzz/test_minimise.py:")
    assert fails_with(hold, b"fine") is None


def test_what_is_told_names_no_folder_of_this_machine() -> None:
    error = fails_with(hold, b"xxx")
    assert error is not None
    assert 'File "tests/fuzz/test_minimise.py"' in told(error)
    assert str(Path(__file__).parent) not in told(error)
    library = fails_with(json.loads, b"[")  # its innermost lines are Python's own
    assert library is not None
    assert 'File "json/decoder.py"' in told(library)
    assert Path(json.__file__).parents[1].as_posix() not in told(library)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_only_what_fails_is_left(before: bytes, after: bytes) -> None:
    data = before.replace(b"\0", b"") + b"\x00\x01" + after.replace(b"\0", b"")
    assert minimised(data, lambda tried: b"\x00\x01" in tried) == b"\x00\x01"


def test_a_finding_is_written_beside_its_traceback_and_a_promise_that_holds_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        hold = staticmethod(hold)

    monkeypatch.setattr(minimise, "target", lambda _name: Broken)
    crash, out = tmp_path / "crash", tmp_path / "out"
    crash.write_bytes(b"wxyxzx!")
    assert minimise.main(["any", str(crash), str(out)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert out.read_bytes() == b"xxx"
    assert Path(f"{out}.txt").read_text().startswith(f"{found}\n\nTraceback")
    crash.write_bytes(b"fine")
    assert minimise.main(["any", str(crash), str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out == "null\n"
    assert not (tmp_path / "none").exists()
