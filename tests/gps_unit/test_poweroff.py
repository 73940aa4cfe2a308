"""The power-off: whatever its command is or says, the box goes on, and knows why it is still there."""

import sys

import pytest

from edge.gps_unit.poweroff import power_off


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["/nowhere/poweroff"], "No such file"),
        (["power\0off"], "null byte"),
        ([sys.executable, "-c", "raise SystemExit('not now')"], "not now"),
        ([sys.executable, "-c", r"import os; os.write(2, b'\xff no'); os._exit(1)"], "\ufffd no"),
        ([sys.executable, "-c", "raise SystemExit(3)"], "exit code 3"),
    ],
    ids=["no program", "no word", "refused", "refused in no text", "refused silently"],
)
def test_a_command_that_does_not_power_off_is_a_reason(command: list[str], why: str) -> None:
    assert why in (power_off(command) or "")


def test_a_command_that_was_taken_is_none() -> None:
    assert power_off([sys.executable, "-c", ""]) is None
