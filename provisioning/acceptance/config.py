"""What a check looks at and what is good enough: /etc/pantau/check.toml. All has defaults, so it may be absent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from settings import load, setting
from settings.load import from_document

LONGEST_S: Final = 600.0  # a whole check, whatever it waits for


@dataclass(frozen=True, slots=True)
class Files:
    """Where sheets are kept, and wait until the centre has them."""

    directory: Path = setting(
        "the folder", default=Path("/var/lib/pantau/check"), reason="on the card, owned by the box's own user"
    )


@dataclass(frozen=True, slots=True)
class Gnss:
    """The receiver and its antenna."""

    within_s: float = setting(
        "how long to wait for the sky", unit="s", at_least=5, at_most=400, default=150.0,
        reason="a cold start under open sky takes 30 to 60 s",
    )  # fmt: skip
    satellites: int = setting(
        "satellites in use", at_least=4, at_most=50, default=6, reason="four give a position, two more tell a wrong one"
    )
    hdop: float = setting(
        "dilution of precision, at most", at_least=0.5, at_most=50, default=2.5,
        reason="about 10 m; 1.0 is usual under open sky",
    )  # fmt: skip
    signal_dbhz: int = setting(
        "C/N0 of the fourth strongest satellite, where the receiver tells", unit="dBHz", at_least=10, at_most=60,
        default=35, reason="a good antenna under open sky has 40 to 50; a bent plug or a metal roof less than 30",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Modem:
    """The mobile modem, through ModemManager."""

    there: bool = setting("whether this box has one", default=True, reason="a vehicle's only way to the centre")
    within_s: float = setting(
        "how long to wait for the network", unit="s", at_least=1, at_most=200, default=60.0,
        reason="registration after power-on takes 10 to 40 s",
    )  # fmt: skip
    rsrp_dbm: float = setting(
        "received power (RSRP), at least", unit="dBm", at_least=-140, at_most=-40, default=-110.0,
        reason="below it 4G falls to a few kbit/s and drops out while driving",
    )  # fmt: skip
    rsrq_db: float = setting(
        "received quality (RSRQ), at least", unit="dB", at_least=-30, at_most=0, default=-15.0,
        reason="worse is a crowded or disturbed cell",
    )  # fmt: skip
    sinr_db: float = setting(
        "signal to noise (SINR), at least", unit="dB", at_least=-20, at_most=40, default=0.0,
        reason="the noise is no louder than the signal",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Centre:
    """A record to the central store and its receipt back."""

    within_s: float = setting(
        "how long a receipt may take", unit="s", at_least=1, at_most=100, default=30.0,
        reason="usual is 0.3 s; 30 s lets the box's own uplink and a slow cell be in the way",
    )  # fmt: skip
    clock_s: float = setting(
        "how far this computer's clock may be from the centre's", unit="s", at_least=0.1, at_most=3600, default=5.0,
        reason="the way there is counted in; certificates and logs need no more",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Card:
    """The card (or eMMC) that the outbox is on."""

    free_mb: int = setting(
        "free on it", unit="MB", at_least=1, at_most=1_000_000, default=500, reason="months of records without a centre"
    )
    write_mb_per_s: float = setting(
        "written and certainly on it", unit="MB/s", at_least=0.01, at_most=10_000, default=2.0,
        reason="a card of class 2; a worn or false one is slower",
    )  # fmt: skip
    append_ms: float = setting(
        "one small record certainly on it, the slowest of 20", unit="ms", at_least=1, at_most=60_000, default=1000.0,
        reason="a healthy card takes 5 to 50 ms; one that stalls for a second loses epochs soon",
    )  # fmt: skip
    used_percent: int = setting(
        "life used up, where the card tells (eMMC)", unit="%", at_least=1, at_most=110, default=80,
        reason="the last tenths go fast",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Power:
    """The supply; undervoltage is always looked at where the computer tells."""

    millivolt_path: Path | None = setting(
        "a file of hwmon with the supply in mV, e.g. /sys/class/hwmon/hwmon2/in1_input", default=None,
        reason="most boxes do not measure it",
    )  # fmt: skip
    at_least_v: float = setting(
        "supply, at least", unit="V", at_least=3, at_most=60, default=11.5, reason="a 12 V battery that is nearly empty"
    )
    at_most_v: float = setting(
        "supply, at most", unit="V", at_least=3, at_most=60, default=30.0, reason="a 24 V vehicle while it charges"
    )


@dataclass(frozen=True, slots=True)
class Inputs:
    """Wires that the technician is asked to switch on and off. A wire that is not named is not there."""

    ignition_gpio: int | None = setting("ignition", at_least=0, at_most=63, default=None, reason="not wired")
    pto_gpio: int | None = setting("power take-off", at_least=0, at_most=63, default=None, reason="not wired")
    panic_gpio: int | None = setting("panic button", at_least=0, at_most=63, default=None, reason="not wired")
    active_low: bool = setting(
        "switched on pulls the pin to ground", default=True, reason="opto-couplers and buttons do"
    )
    within_s: float = setting(
        "how long to wait for each", unit="s", at_least=1, at_most=120, default=40.0, reason="time to walk to the cabin"
    )


@dataclass(frozen=True, slots=True)
class Cameras:
    """The cameras of a pole; which there are stands in unit.toml."""

    within_s: float = setting(
        "how long to look, at all of them at once", unit="s", at_least=15, at_most=300, default=120.0,
        reason="12 s; a picture in doubt takes 50 s, and a lazy camera 30 s until there is one",
    )  # fmt: skip
    first_picture_s: float = setting(
        "from asking for the stream to its first picture", unit="s", at_least=0.1, at_most=60, default=10.0,
        reason="usual are 1 to 4 s; whoever opens a live view waits as long",
    )  # fmt: skip
    frames_per_s: float = setting(
        "frames a second, at least, of a camera whose own are not in unit.toml (then it is half of those)",
        at_least=0.1, at_most=120, default=5.0, reason="fewer make no moving picture of traffic",
    )  # fmt: skip
    bitrate_kbps: float = setting(
        "bit rate, at most", unit="kbit/s", at_least=10, at_most=100_000, default=8000.0,
        reason="usual are 2000 to 4000; the box pays for it in computing time, and 4G carries no more",
    )  # fmt: skip
    clock_s: float = setting(
        "how far a camera's clock may be from the box's", unit="s", at_least=1, at_most=3600, default=30.0,
        reason="the time in its picture is evidence; from some minutes on cameras refuse ONVIF's log-ins",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outputs:
    """Relays, which click once or the technician says no."""

    relay_gpio: int | None = setting("relay", at_least=0, at_most=63, default=None, reason="not wired")
    active_low: bool = setting("a low pin closes it", default=False, reason="most drivers close when high")


@dataclass(frozen=True, slots=True)
class Watchdog:
    """The computer's own watchdog, which restarts a box that hangs."""

    there: bool = setting("whether it must run", default=True, reason="nobody is there to pull the plug")


@dataclass(frozen=True, slots=True)
class Packages:
    """What is installed."""

    firmware: str = setting("the version it must be", default="", reason='"" = any, only told')


@dataclass(frozen=True, slots=True)
class CheckConfig:
    """The whole file."""

    files: Files
    gnss: Gnss
    modem: Modem
    centre: Centre
    card: Card
    power: Power
    inputs: Inputs
    outputs: Outputs
    cameras: Cameras
    watchdog: Watchdog
    packages: Packages


def load_check(path: Path, *, may_be_absent: bool) -> CheckConfig:
    """The file at `path`, or all defaults; raises ConfigError with every problem in it."""
    if may_be_absent and not path.exists():
        return from_document({}, CheckConfig, name=str(path), folder=path.parent)
    return load(path, CheckConfig)
