"""What gps_unit can be told; everything it can find out by itself has no key here.

Nobody compares or prints these tables: without the code for that a box has 0.1 MB more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from edge.budget import Plan
from edge.clock import BUILT_UTC_MS
from edge.vehicle_config import Buzzer, FuelSender, Input, Lamps, PowerPlan, SosPlan, Supply, pin_problems
from settings import ConfigError, Problem, setting
from settings.checks import host_name
from settings.load import from_document, read_document
from wire.topics import valid_unit

__all__ = ["BUILD_DATE", "FIRMWARE", "UnitConfig", "load_unit"]

FIRMWARE = "0.1.0"  # the version in pyproject.toml; asking importlib.metadata for it would cost 3 MB
BUILD_DATE = datetime.fromtimestamp(BUILT_UTC_MS // 1000, UTC).date()


MODEM_STEPS = ("reattach", "restart", "power_cycle", "reboot")  # of edge/modem_ladder.py


def _unit_name(name: str) -> str | None:
    return None if valid_unit(name) else "lower case letters, digits and -, at most 31; bridge… and city… are reserved"


def _readable(path: Path) -> str | None:
    try:
        with path.open("rb"):
            return None
    except OSError as error:
        return f"a file this user can read ({error.strerror})"


def _not_before(written: object) -> date | None:
    if written == "none":
        return None
    if isinstance(written, datetime) or not isinstance(written, date):
        raise ValueError(written)
    return written


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Unit:
    """Who this box is."""

    id: str = setting(
        "name of the box; the CN of its certificate", check=_unit_name, wanted='a name in quotes, e.g. "amb-017"'
    )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Broker:
    """Where the centre is and how this box proves who it is (mutual TLS always)."""

    host: str = setting("host name of the broker, as its certificate says it", check=host_name)
    port: int = setting(
        "TCP port of the broker", at_least=1, at_most=65535, default=8883, reason="MQTT over TLS (IANA)"
    )
    ca_path: Path = setting("certificate of the authority, PEM", check=_readable)
    certificate_path: Path = setting("this box's certificate, PEM", check=_readable)
    key_path: Path = setting("this box's private key, PEM; it never leaves the box", check=_readable)
    keepalive_s: int = setting(
        "silence after which a ping is sent", unit="s", at_least=10, at_most=1200, default=196,
        reason="a broker misses a box after 1.5 of them, in five minutes; carriers cut off after 4.5 at the soonest",
    )  # fmt: skip
    fleet_units: int = setting(
        "how many boxes share the broker: spreads reconnecting over 2 ms a box", unit="boxes", at_least=1,
        at_most=1_000_000, default=3000, reason="a city's fleet; measured against reconnect storms",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OutboxFile:
    """Where records wait until the centre has said they are stored."""

    path: Path = setting(
        "the outbox, one SQLite file",
        default=Path("/var/lib/pantau/outbox.db"),
        reason="on the card, survives power cuts",
    )
    limit_mb: int = setting(
        "size on disk beyond which the oldest rows of least worth are given up", unit="MB", at_least=1,
        at_most=1_000_000, default=1000, reason="about two years of a vehicle's tracks (1.2 MB a day)",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DocumentsFile:
    """What the box remembers besides records: counters, desired configuration, the receiver's last good speed."""

    path: Path = setting(
        "the documents, one SQLite file", default=Path("/var/lib/pantau/documents.db"), reason="beside the outbox"
    )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ReceiverPort:
    """The GNSS receiver's port; speed and framing are found, and found again after a change of receiver."""

    tty: Path = setting("the port, best by a name that stays: /dev/serial/by-id/…")
    speed: int = setting(
        "serial speed; 0 = find it", unit="bit/s", at_least=0, at_most=921600, default=0,
        reason="found within seconds, and remembered",
    )  # fmt: skip
    not_before: date | None = setting(
        "dates before this one are a receiver's week rollover, not the past", convert=_not_before, default=BUILD_DATE,
        wanted='a date like 2026-11-01, or "none" for replayed logs', reason="this firmware's build date",
    )  # fmt: skip

    @property
    def not_before_utc_ms(self) -> int | None:
        """`not_before` as Unix ms, None when any date is taken."""
        if self.not_before is None:
            return None
        return int(datetime.combine(self.not_before, time(), UTC).timestamp()) * 1000


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Report:
    """What becomes of the fixes: how many go into one record, how exact, and which are worth sending."""

    interval_s: float = setting(
        "one record holds the fixes of this time; also the most a power cut can lose", unit="s", at_least=1,
        at_most=3600, default=10.0, reason="a publish costs about 135 bytes around its payload, a map wants news",
    )  # fmt: skip
    parked_interval_s: float = setting(
        "the same while the vehicle stands and nothing else is new; moving off is reported at the interval above",
        unit="s", at_least=1, at_most=3600, default=588.0,
        reason="a parked day costs 0.1 MB on the air: two pings between two reports; ten minutes at 1 Hz fill a record",
    )  # fmt: skip
    quantum: str = setting(
        "how exact fixes are kept: all digits the receiver gave, or 1e-6 deg, 1 m, 0.1 m/s, 1 deg, 0.1 HDOP",
        one_of=("receiver", "lossless"), default="receiver",
        reason="what a receiver can honestly know; 40 % fewer bytes",
    )  # fmt: skip
    tolerance_m: float = setting(
        "fixes that a straight line between their neighbours tells this well are left out; 0 keeps every fix",
        unit="m", at_least=0, at_most=1000, default=2.5, reason="about a receiver's own error; keeps one fix in five",
    )  # fmt: skip
    policy: bool = setting(
        "leave out fixes of bad quality and impossible jumps, hold the position still while parked",
        default=True, reason="a parked day is 0 m of track",
    )  # fmt: skip
    profiles: bool = setting(
        "also while it only moves, end an interval early when a map would be wrong (profile_moving); on mission, "
        "working in place and in a burst it always does",
        default=False, reason="half as many bytes again on the air; a map that goes on by speed is then within 8 m",
    )  # fmt: skip


def _period_s(default: float, reason: str) -> Any:
    return setting(
        "longest time between two reports; the report interval where that is shorter; 0: no limit", unit="s",
        at_least=0, at_most=3600, default=default, reason=reason,
    )  # fmt: skip


def _distance_m() -> Any:
    return setting(
        "distance from the last reported position; 0: no limit", unit="m", at_least=0, at_most=100_000, default=0.0,
        reason="only for a map that holds the last position: 8 m would be every fix of a car",
    )  # fmt: skip


def _angle_deg(default: float, reason: str) -> Any:
    return setting(
        "change of course since the last report, over north too, above 2 m/s; 0: no limit", unit="deg", at_least=0,
        at_most=180, default=default, reason=reason,
    )  # fmt: skip


def _speed_mps() -> Any:
    return setting(
        "change of speed since the last report; 0: no limit", unit="m/s", at_least=0, at_most=100, default=0.0,
        reason="the drift shows the same with fewer reports",
    )  # fmt: skip


def _drift_m(default: float, reason: str) -> Any:
    return setting(
        "how far a map may be off that goes on from the last report by its speed and course; 0: no limit", unit="m",
        at_least=0, at_most=10_000, default=default, reason=reason,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MovingProfile:
    """When a moving vehicle reports before its interval is over."""

    period_s: float = _period_s(10.0, "as the report interval")
    distance_m: float = _distance_m()
    angle_deg: float = _angle_deg(20.0, "a corner is on the map at once")
    speed_mps: float = _speed_mps()
    drift_m: float = _drift_m(5.5, "a map within 8 m at a fifth of the fixes")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MissionProfile:
    """The same on mission: a beacon or siren is on, or the centre has said so."""

    period_s: float = _period_s(5.0, "whoever waits for it looks often")
    distance_m: float = _distance_m()
    angle_deg: float = _angle_deg(15.0, "a corner is on the map at once")
    speed_mps: float = _speed_mps()
    drift_m: float = _drift_m(3.0, "about a receiver's own error")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WorkingProfile:
    """The same for what works in place: parked, with the power take-off running or on mission."""

    period_s: float = _period_s(60.0, "it stands; a minute shows that it is there")
    distance_m: float = _distance_m()
    angle_deg: float = _angle_deg(0.0, "it has no course")
    speed_mps: float = _speed_mps()
    drift_m: float = _drift_m(0.0, "its position is held still")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Remote:
    """Configuration that comes from the centre (docs/remote.md)."""

    trial_s: float = setting(
        "a new one is taken back when no receipt has come in under it for so long", unit="s", at_least=10,
        at_most=86_400, default=900.0, reason="a tunnel, or a cellar, is not the configuration's fault",
    )  # fmt: skip


def _steps(names: tuple[str, ...]) -> str | None:
    unknown = [name for name in names if name not in MODEM_STEPS]
    return f"{unknown[0]!r} is no step" if unknown else None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ModemWatched:
    """The mobile modem, where ModemManager has one (docs/modem.md)."""

    watch: bool = setting(
        "look at it each minute, say its signal, cell and SIM in health, and help it up when the centre is lost",
        default=False, reason="a box behind a router has none; D-Bus takes memory",
    )  # fmt: skip
    steps: tuple[str, ...] = setting(
        "what may be done for it, lowest first", default=("reattach", "restart"), check=_steps,
        wanted='a list of "reattach", "restart", "power_cycle", "reboot"',
        reason="a relay has to be there, and a reboot of the box is for whoever asks for it",
    )  # fmt: skip
    relay_pin: int | None = setting(
        'GPIO number of the relay in the modem\'s supply, for the step "power_cycle" (docs/modem.md)', at_least=0,
        at_most=27, default=None, reason="not wired",
    )  # fmt: skip
    relay_active_low: bool = setting(
        "the relay's board energises its coil when the pin is low", default=False, reason="a transistor drives it"
    )
    relay_off_s: float = setting(
        "how long the modem is without power", unit="s", at_least=2, at_most=60, default=10.0,
        reason="longer than its capacitors hold it up",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class UplinkShare:
    """How much of the mobile link the backlog may use; live records do not wait for it."""

    bulk_bytes_per_s: int = setting(
        "backlog, on average", unit="bytes/s", at_least=100, at_most=100_000_000, default=16_000,
        reason="drains a day in about a minute and leaves the link to others",
    )  # fmt: skip
    bulk_burst_bytes: int = setting(
        "backlog, at once", unit="bytes", at_least=1024, at_most=100_000_000, default=32_000, reason="two bulk parcels",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sim:
    """The SIM's monthly plan: what is given up first when it will not last is in docs/records.md; never alarms."""

    plan_mb: int = setting(
        "what the SIM may carry in a month, up and down; 0 = no plan, count only", unit="MB", at_least=0,
        at_most=10_000_000, default=0, reason="nobody knows it but who bought the SIM",
    )  # fmt: skip
    reset_day: int = setting(
        "day of the month on which the plan begins anew, at 00:00 UTC", at_least=1, at_most=28, default=1,
        reason="most plans are by the calendar month; every month has a 28th",
    )  # fmt: skip

    @property
    def plan(self) -> Plan:
        """The same for edge/budget.py; a carrier's MB is 10**6 bytes."""
        return Plan(self.plan_mb * 1_000_000, self.reset_day)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Run:
    """Where the running process keeps what need not survive a power cut."""

    directory: Path = setting(
        "the open interval waits here for its record; in memory (tmpfs), kept when the service restarts",
        default=Path("/run/pantau"), reason="what systemd makes (RuntimeDirectory)",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class UnitConfig:
    """The whole file of a gps_unit."""

    unit: Unit
    broker: Broker
    outbox: OutboxFile
    documents: DocumentsFile
    receiver: ReceiverPort
    report: Report
    profile_moving: MovingProfile
    profile_mission: MissionProfile
    profile_working: WorkingProfile
    remote: Remote
    modem: ModemWatched
    uplink: UplinkShare
    sim: Sim
    run: Run
    inputs: tuple[Input, ...]
    lamps: Lamps
    buzzer: Buzzer
    fuel: FuelSender
    supply: Supply
    power: PowerPlan
    sos: SosPlan


def load_unit(path: str | Path, desired: Mapping[str, Mapping[str, Any]] | None = None) -> UnitConfig:
    """The file at `path`, under what the centre wants (edge/desired.py); ConfigError has every problem in it."""
    file = Path(path)
    document = read_document(file)
    for table, keys in (desired or {}).items():
        own = document.get(table, {})
        document[table] = {**own, **keys} if isinstance(own, dict) else own
    config = from_document(document, UnitConfig, name=str(file), folder=file.absolute().parent)
    relay_pin = config.modem.relay_pin
    problems = list(
        pin_problems(config.inputs, config.lamps, config.buzzer, config.fuel, config.supply, relay_pin=relay_pin)
    )
    if "power_cycle" in config.modem.steps and relay_pin is None:
        problems.append(Problem(key="modem.relay_pin", value=None, wanted='must be given with the step "power_cycle"'))
    if problems:
        raise ConfigError(str(path), problems)
    return config
