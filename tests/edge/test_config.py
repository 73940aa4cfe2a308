"""The unit's configuration: every key is documented, and a wrong file says all that is wrong with it."""

import tomllib
from datetime import date
from pathlib import Path

import pytest

from edge.config import FIRMWARE, load_unit
from settings import ConfigError

REPOSITORY = Path(__file__).resolve().parents[2]


def write(folder: Path, *, receiver: str = "", unit: str = "amb-017") -> Path:
    for name in ("ca.pem", "unit.pem", "unit.key"):
        (folder / name).write_text("pem")
    file = folder / "unit.toml"
    file.write_text(
        f'[unit]\nid = "{unit}"\n[broker]\nhost = "broker.city.example"\nca_path = "ca.pem"\n'
        f'certificate_path = "unit.pem"\nkey_path = "unit.key"\n[receiver]\ntty = "/dev/ttyACM0"\n{receiver}\n'
    )
    return file


def test_a_short_file_is_enough_and_its_paths_start_where_it_lies(tmp_path: Path) -> None:
    config = load_unit(write(tmp_path))
    assert config.unit.id == "amb-017"
    assert config.broker.ca_path == tmp_path / "ca.pem"
    assert (config.broker.port, config.report.interval_s, config.report.tolerance_m) == (8883, 10.0, 2.5)
    assert config.receiver.tty == Path("/dev/ttyACM0")


def test_not_before_is_a_date_or_none(tmp_path: Path) -> None:
    assert load_unit(write(tmp_path, receiver='not_before = "none"')).receiver.not_before_utc_ms is None
    dated = load_unit(write(tmp_path, receiver="not_before = 2024-02-29")).receiver
    assert dated.not_before == date(2024, 2, 29)
    assert dated.not_before_utc_ms == 1_709_164_800_000
    with pytest.raises(ConfigError, match=r"receiver\.not_before .* a date like"):
        load_unit(write(tmp_path, receiver="not_before = 2024-02-29T10:00:00Z"))


@pytest.mark.parametrize("name", ["Amb", "bridge-1", "city-x", "a" * 32, "", "a/b", "a+"])
def test_a_name_that_topics_or_certificates_cannot_carry_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"unit\.id"):
        load_unit(write(tmp_path, unit=name))


def test_certificates_that_cannot_be_read_are_all_named(tmp_path: Path) -> None:
    file = write(tmp_path)
    (tmp_path / "unit.key").unlink()
    (tmp_path / "ca.pem").unlink()
    with pytest.raises(ConfigError) as caught:
        load_unit(file)
    assert [problem.key for problem in caught.value.problems] == ["broker.ca_path", "broker.key_path"]


def test_the_firmware_is_the_projects_version() -> None:
    assert tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]["version"] == FIRMWARE


def test_a_power_cycle_needs_a_relay_on_a_pin_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"modem\.relay_pin missing: must be given with"):
        load_unit(write(tmp_path, receiver='[modem]\nsteps = ["power_cycle"]'))
    with pytest.raises(ConfigError, match=r"modem\.relay_pin is 17: must be another pin: this one is buzzer\.pin"):
        load_unit(write(tmp_path, receiver="[modem]\nrelay_pin = 17\n[buzzer]\npin = 17"))
    with pytest.raises(ConfigError, match=r"modem\.relay_off_s"):
        load_unit(write(tmp_path, receiver="[modem]\nrelay_off_s = 1.0"))
    modem = load_unit(write(tmp_path, receiver='[modem]\nsteps = ["power_cycle"]\nrelay_pin = 23')).modem
    assert (modem.relay_pin, modem.relay_active_low, modem.relay_off_s) == (23, False, 10.0)


@pytest.mark.parametrize("command", ["[]", '[""]', '["", "poweroff"]', r'["systemctl", "power\u0000off"]'])
def test_a_power_off_that_nothing_could_run_is_refused(tmp_path: Path, command: str) -> None:
    with pytest.raises(ConfigError, match=r"power\.command is .*: must be a list of texts.*; the program first"):
        load_unit(write(tmp_path, receiver=f"[power]\ncommand = {command}"))
