"""What a gps_unit can be told of the vehicle around it: wires, lamps, tank, battery. All of it may be absent."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from settings import Problem, setting
from wire.inputs import KINDS

SPI_PINS = {8: "SPI CE0", 9: "SPI MISO", 10: "SPI MOSI", 11: "SPI clock"}
NOT_WIRED = "not wired"


def _pin(text: str) -> Any:
    return setting(text, at_least=0, at_most=27, default=None, reason=NOT_WIRED)


def _wire_name(name: str) -> str | None:
    right = name.isascii() and name.replace("-", "").replace("_", "").isalnum() and len(name) <= 30
    return None if right else "letters, digits, - and _, at most 30"


def _calibration(written: object) -> tuple[tuple[float, float], ...]:
    """Pairs of (reading 0 .. 1, litres)."""
    if not isinstance(written, list):
        raise ValueError(written)
    points = sorted((float(reading), float(litres)) for reading, litres in written)
    in_range = all(0 <= reading <= 1 and 0 <= litres <= 100_000 for reading, litres in points)
    if len(points) < 2 or not in_range or any(a[0] == b[0] for a, b in pairwise(points)):
        raise ValueError(written)
    return tuple(points)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Input:
    """One wire of the vehicle, each in a table of its own; docs/inputs.md shows how to wire it."""

    name: str = setting("what it is called in events and counters", check=_wire_name)
    pin: int = setting("GPIO number, as BCM counts them", at_least=0, at_most=27)
    kind: str = setting("what it means", one_of=KINDS)
    active_low: bool = setting(
        "on is what pulls the pin to ground; the pin is then pulled up, else down", default=True,
        reason="an opto-coupler, or a button to ground",
    )  # fmt: skip
    debounce_ms: int = setting(
        "a level counts once it has held for this long", unit="ms", at_least=0, at_most=10_000, default=50,
        reason="contacts bounce for up to 20 ms",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Lamps:
    """Five lamps for whoever stands beside the box; docs/inputs.md says what they tell."""

    power_pin: int | None = _pin("GPIO number of the lamp for power")
    gnss_pin: int | None = _pin("of the lamp for the receiver")
    network_pin: int | None = _pin("of the lamp for the link to the centre")
    backlog_pin: int | None = _pin("of the lamp for records that wait")
    fault_pin: int | None = _pin("of the lamp for trouble")
    active_low: bool = setting("the pins sink the lamps' current", default=False, reason="pins drive the lamps")

    @property
    def pins(self) -> dict[str, int]:
        """Those that are wired: lamp to GPIO number."""
        found = {name: getattr(self, f"{name}_pin") for name in ("power", "gnss", "network", "backlog", "fault")}
        return {name: pin for name, pin in found.items() if pin is not None}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Buzzer:
    """What the driver hears: the panic button was felt, and later that a person at the centre has acknowledged it."""

    pin: int | None = _pin("GPIO number of the buzzer")
    active_low: bool = setting("the pin sinks the buzzer's current", default=False, reason="a transistor drives it")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FuelSender:
    """The tank, through an MCP3008 on the first SPI port."""

    channel: int | None = setting(
        "channel of the MCP3008 that the sender is on", at_least=0, at_most=7, default=None, reason=NOT_WIRED
    )
    calibration: tuple[tuple[float, float], ...] = setting(
        "this vehicle's table: what the sender reads (0 to 1 of full scale) at how many litres", default=(),
        convert=_calibration, reason="every tank has its own",
        wanted="two or more pairs [reading, litres], each reading once, e.g. [[0.08, 0], [0.52, 60], [0.91, 120]]",
    )  # fmt: skip
    change_l: float = setting(
        "what came or went at once by this much was filled, or taken", unit="l", at_least=1, at_most=10_000,
        default=10.0, reason="a canister; less than that slopes and slosh do",
    )  # fmt: skip
    burns_l_per_h: float = setting(
        "what the engine burns at most: what is gone faster was taken", unit="l/h", at_least=0.1, at_most=1000,
        default=60.0, reason="a lorry at full load",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Supply:
    """The vehicle's battery, through a divider on the same MCP3008."""

    channel: int | None = setting(
        "channel of the MCP3008 that the divider is on", at_least=0, at_most=7, default=None, reason=NOT_WIRED
    )
    full_scale_v: float = setting(
        "the supply at which the channel reads full scale", unit="V", at_least=3.3, at_most=100, default=36.3,
        reason="3.3 V behind a divider of 100 and 10 kilo-ohm",
    )  # fmt: skip


def _number(number: str) -> str | None:
    digits = number.removeprefix("+")
    right = not number or (digits.isascii() and digits.isdecimal() and 3 <= len(digits) <= 15)
    return None if right else "digits, 3 to 15, after a + where it is international"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SosPlan:
    """What more is done when somebody calls for help and the centre does not have it (docs/inputs.md)."""

    sms_to: str = setting(
        "the call goes there as a short message, too, through ModemManager; empty = it does not", default="",
        check=_number, wanted='a telephone number in quotes, e.g. "+62811123456"',
        reason="who reads it is a city's matter",
    )  # fmt: skip
    sms_after_s: float = setting(
        "without a receipt for so long", unit="s", at_least=10, at_most=3600, default=60.0,
        reason="a tunnel and a new connection are over by then",
    )  # fmt: skip
    sms_an_hour: int = setting(
        "so many at most", at_least=1, at_most=20, default=3, reason="each costs money, and one is enough to be heard"
    )


def _command(words: tuple[str, ...]) -> str | None:
    right = words and words[0] and not any("\0" in word for word in words)
    return None if right else "the program first, and no NUL in any"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PowerPlan:
    """When the box goes off by itself. Without an ignition wire, or a voltage, the rules that need it do nothing."""

    off_after_s: float = setting(
        "power off this long after the ignition; 0 = never", unit="s", at_least=0, at_most=604_800, default=0.0,
        reason="who wakes it up again is a matter of the installation",
    )  # fmt: skip
    awake_above_v: float | None = setting(
        "but stay awake while the supply is at least this", unit="V", at_least=3, at_most=100, default=None,
        reason="off after the time alone",
    )  # fmt: skip
    low_v: float | None = setting(
        "below this the battery is low: warn, wait, power off", unit="V", at_least=3, at_most=100, default=None,
        reason="not watched; 11.8 V still starts an engine of 12 V, 23.6 V one of 24 V",
    )  # fmt: skip
    low_wait_s: float = setting(
        "between the warning and the power-off", unit="s", at_least=0, at_most=86_400, default=300.0,
        reason="time for the warning to arrive, and for somebody to start the engine",
    )  # fmt: skip
    command: tuple[str, ...] = setting(
        "what asks the system to power off", default=("systemctl", "poweroff"), check=_command,
        reason="systemd-logind lets the box's user, by the rule that the package brings",
    )  # fmt: skip


def pin_problems(
    inputs: tuple[Input, ...],
    lamps: Lamps,
    buzzer: Buzzer,
    fuel: FuelSender,
    supply: Supply,
    *,
    relay_pin: int | None = None,
) -> Iterator[Problem]:
    """What is wrong between the tables: two uses of one pin, one name twice, a tank without its table."""
    used = {f"inputs {number}.pin": each.pin for number, each in enumerate(inputs, 1)}
    used |= {f"lamps.{name}_pin": pin for name, pin in lamps.pins.items()}
    used |= {"buzzer.pin": buzzer.pin} if buzzer.pin is not None else {}
    used |= {"modem.relay_pin": relay_pin} if relay_pin is not None else {}
    taken: dict[int, str] = {}
    if fuel.channel is not None or supply.channel is not None:
        taken |= SPI_PINS
    for key, pin in used.items():
        if pin in taken:
            yield Problem(key=key, value=str(pin), wanted=f"must be another pin: this one is {taken[pin]}")
        taken.setdefault(pin, key)
    for name, times in Counter(each.name for each in inputs).items():
        if times > 1:
            yield Problem(key="inputs", value=repr(name), wanted="each name once")
    if fuel.channel is not None and not fuel.calibration:
        yield Problem(key="fuel.calibration", value=None, wanted="must be given with fuel.channel")
    if fuel.channel is not None and fuel.channel == supply.channel:
        yield Problem(key="supply.channel", value=str(supply.channel), wanted="must be another than fuel.channel")
