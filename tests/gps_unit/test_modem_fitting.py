"""The modem's caps hold over a reboot, by whatever clock there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gpiozero import Device
from gpiozero.pins.mock import MockFactory

from edge.config import UnitConfig, load_unit
from edge.gps_unit.modem_fitting import _before, relay
from edge.modem_ladder import DAY_S, REBOOT, Ladder, Seen

LOST = Seen(heard_centre=False, modem_works=False, quiet=True)


def reboots(ladder: Ladder, from_s: float, for_s: float) -> int:
    looks = [ladder.look(LOST, from_s + at_s) for at_s in range(0, int(for_s), 60)]
    return looks.count(REBOOT)


def test_steps_of_a_boot_before_count_in_this_ones_clock() -> None:
    now_utc_s = 1_800_000_000.0
    kept: list[object] = [[now_utc_s - 3600.0, REBOOT], [now_utc_s - 60.0, REBOOT], ["worn", 7]]
    assert _before(kept, now_utc_s, boottime_s=30.0) == [(30.0 - 3600.0, REBOOT), (-30.0, REBOOT)]
    assert reboots(Ladder(taken=_before(kept, now_utc_s, 30.0)), 30.0, DAY_S / 2) == 0
    assert reboots(Ladder(), 30.0, DAY_S / 2) == 2


def test_without_a_clock_they_seem_recent_and_the_cap_holds() -> None:
    kept: list[object] = [[1_800_000_000.0, REBOOT], [1_800_000_100.0, REBOOT]]
    assert _before(kept, 1_799_000_000.0, boottime_s=5.0) == [(5.0, REBOOT)] * 2


def test_the_configured_pin_is_the_relays_and_none_is_opened_where_none_is(tmp_path: Path) -> None:
    factory = MockFactory()
    before, Device.pin_factory = Device.pin_factory, factory
    try:
        assert relay(loaded(tmp_path, "watch = true")) is None
        made = relay(loaded(tmp_path, "relay_pin = 23\nrelay_active_low = true\nrelay_off_s = 2.0"))
        assert made is not None
        assert factory.pins == {}, "opened by its own thread"
        made.open()
        assert factory.pin(23).state, "the coil is off"
        seen: list[bool] = []
        made.cycle(lambda _s: seen.append(bool(factory.pin(23).state)) or len(seen) >= 3)
        assert seen == [False] * 3
        made.close()
    finally:
        factory.reset()
        Device.pin_factory = before


def loaded(folder: Path, modem: str) -> UnitConfig:
    for name in ("ca.pem", "unit.pem", "unit.key"):
        (folder / name).write_text("pem")
    file = folder / "unit.toml"
    file.write_text(
        '[unit]\nid = "amb-017"\n[broker]\nhost = "broker.city.example"\nca_path = "ca.pem"\n'
        'certificate_path = "unit.pem"\nkey_path = "unit.key"\n[receiver]\ntty = "/dev/ttyACM0"\n[modem]\n' + modem
    )
    return load_unit(file)


def test_a_box_without_a_modem_has_no_dbus_in_memory() -> None:
    asked = "import edge.gps_unit.__main__, sys; sys.exit('dbus_fast' in sys.modules or 'asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0
