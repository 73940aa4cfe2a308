"""docs/inputs.md: its file loads, and it names every kind of wire, every lamp and every way a process has ended."""

import ast
import re
from pathlib import Path

from edge import starting
from edge.gps_unit.lamps import LAMPS
from edge.vehicle_config import Buzzer, FuelSender, Input, Lamps, PowerPlan, Supply, pin_problems
from settings import load
from wire.inputs import KINDS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "inputs.md").read_text("utf-8")


def firsts(heading: str) -> set[str]:
    """The words in code of the first cells of a section's tables."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    return {word for cell in rows for word in re.findall(r"`([a-z_]+)`", cell)}


def test_its_file_loads(tmp_path: Path) -> None:
    from edge.config import UnitConfig

    file = tmp_path / "unit.toml"
    shortest = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "config.md").read_text("utf-8"), re.DOTALL)[0]
    for name in ("ca.pem", "unit.pem", "unit.key"):
        (tmp_path / name).touch()
    file.write_text(shortest + re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0])
    config = load(file, UnitConfig)
    assert [wire.name for wire in config.inputs] == ["key", "boom", "panic"]
    assert config.fuel.calibration == ((0.08, 0.0), (0.52, 60.0), (0.91, 120.0))
    assert list(pin_problems(config.inputs, config.lamps, config.buzzer, config.fuel, config.supply)) == []


def test_every_kind_of_wire_and_every_lamp_is_there() -> None:
    assert firsts("Wiring") == set(KINDS)
    lamps = PAGE.split("\n## Lamps\n", 1)[1].split("\n## ", 1)[0]
    assert [line.split("|")[1].strip() for line in lamps.splitlines() if line.startswith("| ")][1:] == list(LAMPS)


def test_every_way_of_ending_is_explained() -> None:
    source = ast.parse(Path(starting.__file__).read_text("utf-8"))
    strings = {
        node.value for node in ast.walk(source) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert firsts("Power") - {"ended"} - strings == {f"requested_{why}" for why in (starting.PARKED, starting.BATTERY)}
    assert {"power_lost", "watchdog", "kernel_crash", "crash", "stopped", "shutdown", "first_start"} <= firsts("Power")


def test_what_is_wrong_between_tables_is_named() -> None:
    wires = (Input(name="key", pin=17, kind="ignition"), Input(name="key", pin=8, kind="pto"))
    lamps, fuel = Lamps(fault_pin=17), FuelSender(channel=1)
    found = pin_problems(wires, lamps, Buzzer(), fuel, Supply(channel=1))
    assert [problem.key for problem in found] == [
        "inputs 2.pin", "lamps.fault_pin", "inputs", "fuel.calibration", "supply.channel",
    ]  # fmt: skip
    assert PowerPlan().command == ("systemctl", "poweroff")
