"""`pantau run --day`: a working day of an excavator, an ambulance and a fire engine, played through the real city.

Simulated are the vehicles alone: what their receivers say, on ptys, and what is on their wires, on gpiozero's mock pins
(edge/sim/day.py). Boxes, broker, bridge, store and derivation are those of every day; but the boxes believe a receiver
that tells of yesterday, and end a record each second of their own, which is some minutes of the day.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from typer import BadParameter

from pantau.work_told import DEFAULT_ZONE

if TYPE_CHECKING:
    from rich.console import RenderableType

    from broker.work.hours import Hours
    from broker.work.observed import Window
    from broker.work.sessions import Session
    from edge.sim.day import DayPlayer
    from edge.sim.pins import SimulatedBoard
    from edge.sim.work import Day
    from pantau.run_city import Show
    from stage.city import City, UnitPlan

PINS: Final = {"ignition": 17, "pto": 27, "beacon": 22}
SHORTEST_MS: Final = 600_000
DERIVE_EVERY_S: Final = 3.0  # three assets cost some tenths of a second
ARRIVES_WITHIN_S: Final = 60.0  # what is on its way when the day is over
SETTLES_S: Final = 4.0  # the last epoch is complete after 1.5 s, and its record is made within another second or two
HINT: Final = "pantau hours --store {url} --asset {asset} --from {day:%Y-%m-%d}"


@dataclass(frozen=True, slots=True)
class Vehicle:
    """Whose day it is, and what it has wires for."""

    plan: UnitPlan
    day: Day
    board: SimulatedBoard
    wires: dict[str, int]


@dataclass(slots=True)
class Played:
    """The day while it is played."""

    vehicles: list[Vehicle]
    window: Window
    speed: float
    players: dict[str, DayPlayer] = field(default_factory=dict)
    _over_s: float | None = None

    @property
    def now_ms(self) -> int:
        """How far all of them have come."""
        return min((player.now_ms for player in self.players.values()), default=self.window.from_ms)

    def settled(self) -> bool:
        """The day is over, and the boxes have had the time to make records of its end."""
        if not all(player.over for player in self.players.values()):
            return False
        self._over_s = self._over_s or time.monotonic()
        return time.monotonic() >= self._over_s + SETTLES_S

    def late(self) -> bool:
        """What has not arrived by now is not waited for any more."""
        return self._over_s is not None and time.monotonic() >= self._over_s + ARRIVES_WITHIN_S


def window_of(between: str, now: datetime) -> Window:
    """That part of the day before `now` in Jakarta, in Unix ms; BadParameter when it is none."""
    from broker.work.observed import Window

    zone = ZoneInfo(DEFAULT_ZONE)
    yesterday = now.astimezone(zone).date() - timedelta(days=1)
    try:
        first, last = (datetime.strptime(text.strip(), "%H:%M").time() for text in between.split("-"))
    except ValueError as error:
        raise BadParameter(f"--between {between!r}: wanted two times of a day, such as 06:00-18:00") from error
    from_ms, to_ms = (
        int(datetime.combine(yesterday, each, tzinfo=zone).astimezone(UTC).timestamp()) * 1000 for each in (first, last)
    )
    if to_ms - from_ms < SHORTEST_MS:
        raise BadParameter(f"--between {between!r}: wanted ten minutes or more")
    return Window(from_ms, to_ms)


def days(window: Window) -> dict[str, Day]:
    """What each kind of vehicle does that day, by its seed the same every day; each begins at a place of its own."""
    from edge.sim.work import ambulance_day, excavator_day, fire_engine_day, played

    zone = ZoneInfo(DEFAULT_ZONE)
    at = datetime.fromtimestamp(window.from_ms / 1000, zone)
    midnight_ms = int(at.replace(hour=0, minute=0).timestamp()) * 1000
    return {
        "excavator": played(excavator_day(11), midnight_ms, 11, home=(-62_146_000, 1_068_451_000)),
        "ambulance": played(ambulance_day(5), midnight_ms, 5, home=(-61_751_000, 1_068_650_000)),
        "fire-engine": played(fire_engine_day(7), midnight_ms, 7, home=(-61_680_000, 1_068_190_000)),
    }


@contextmanager
def day_show(between: str, speed: float, directory: Path, poles: Sequence[UnitPlan]) -> Iterator[Show]:
    """Yesterday `between` two times such as 06:00-18:00; the vehicles' wires last as long as the block."""
    from pantau.run_city import Show

    window = window_of(between, datetime.now(UTC))
    with ExitStack() as boards:
        played = Played(_vehicles(directory, window, boards), window, speed)
        yield Show(
            plans=[*(vehicle.plan for vehicle in played.vehicles), *poles],
            plug_in=lambda city: _plug_in(city, played),
            look=lambda city, until: _look(city, played, until),
            tell=lambda city: _tell(city, played),
        )


def _vehicles(directory: Path, window: Window, boards: ExitStack) -> list[Vehicle]:
    from edge.sim.pins import SimulatedBoard
    from stage.city import UnitPlan

    found = []
    told = days(window)
    for number, (kind, agency, wired) in enumerate(
        (
            ("ambulance", "health", ("ignition", "beacon")),
            ("excavator", "public-works", ("ignition", "pto")),
            ("fire-engine", "fire", ("ignition", "pto", "beacon")),
        ),
        1,
    ):
        name = f"box-{number:03}"
        folder = directory / name / "pins"
        folder.mkdir(parents=True, exist_ok=True)
        board = boards.enter_context(SimulatedBoard(folder.absolute()))
        plan = UnitPlan(
            name=name,
            asset=f"{kind}-01",
            agency=agency,
            kind=kind.replace("-", "_"),
            settings={
                "receiver": {"not_before": "none"},  # the day is a log that is played
                "report": {"interval_s": 1.0, "parked_interval_s": 1.0},
            },
            inputs=tuple({"name": each, "pin": PINS[each], "kind": each} for each in wired),
            environment=board.environment,
        )
        found.append(Vehicle(plan, told[kind], board, {each: PINS[each] for each in wired}))
    return found


def _plug_in(city: City, played: Played) -> dict[str, DayPlayer]:
    from edge.sim.day import DayPlayer
    from edge.sim.receiver import SimulatedReceiver
    from stage.said import Said

    for vehicle in played.vehicles:
        name = vehicle.plan.name
        played.players[name] = DayPlayer(
            vehicle.day,
            *played.window,
            receiver=SimulatedReceiver(iter(()), link=city.tty(name)),
            board=vehicle.board,
            wires=vehicle.wires,
            said=Said(city.outbox_path(name)),
            speed=played.speed,
        )
    return played.players


# ---------------------------------------------------------------------- while it is played


def _look(city: City, played: Played, until: Callable[[], bool]) -> None:
    from broker.config import load_centre
    from pantau.run_cameras import wall
    from pantau.watch import from_store, show

    walls = [wall(city)] if any(plan.cameras for plan in city.units) else []
    hours = _HoursSoFar(city, played)
    progress = _Progress(played)

    def below() -> RenderableType:
        from rich.console import Group

        parts = [progress.bar(), "", hours.table()]
        for each in walls:
            parts += ["", each()]
        return Group(*parts)

    def over() -> bool:
        progress.say()
        return until() or (played.settled() and (_arrived(city, played) or played.late()))

    with from_store(city.store_url, load_centre(str(city.centre_config)).presence_path) as source:
        show(source, below=below, until=over, now_utc_ms=lambda: played.now_ms)


def _arrived(city: City, played: Played) -> bool:
    """All that the boxes have recorded is in the store."""
    from broker.store import open_store
    from edge.outbox_reader import OutboxReader

    with open_store(city.store_url) as store:
        for vehicle in played.vehicles:
            reader = OutboxReader(city.outbox_path(vehicle.plan.name))
            held = {(row.outbox_id, row.seq) for row in reader.above(0, 1_000_000)}
            reader.close()
            if held and not held <= {(row.outbox_id, row.seq) for row in store.recorded(vehicle.plan.name)}:
                return False
    return True


class _Progress:
    """How far the day is: a bar on a terminal, elsewhere a line each tenth of it."""

    def __init__(self, played: Played) -> None:
        self._played = played
        self._next = 0

    def bar(self) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        window, now_ms = self._played.window, self._played.now_ms
        line = Table.grid(padding=(0, 2))
        left_s = (window.to_ms - now_ms) / 1000 / self._played.speed
        line.add_row(
            Text.assemble((f"{_clock(now_ms):%Y-%m-%d %H:%M}", "bold"), " in Jakarta"),
            ProgressBar(total=window.lasts_ms, completed=now_ms - window.from_ms, width=16),
            f"{self._played.speed:g} times as fast, {left_s:.0f} s to go",
        )
        return line

    def say(self) -> None:
        window, now_ms = self._played.window, self._played.now_ms
        tenth = 10 * (now_ms - window.from_ms) // window.lasts_ms
        if not sys.stdout.isatty() and tenth >= self._next:
            self._next = tenth + 1
            print(f"{_clock(now_ms):%Y-%m-%d %H:%M} in Jakarta", file=sys.stderr, flush=True)


class _HoursSoFar:
    """What the centre makes of the day, as far as it has heard."""

    def __init__(self, city: City, played: Played) -> None:
        self._city = city
        self._played = played
        self._due_s = float("-inf")
        self._rows: list[tuple[str, ...]] = []

    def table(self) -> RenderableType:
        from rich.table import Table

        if time.monotonic() >= self._due_s:
            self._rows = list(self._derive())
            self._due_s = time.monotonic() + DERIVE_EVERY_S
        table = Table(box=None, header_style="bold", pad_edge=False, title="hours so far", title_justify="left")
        for heading in ("asset", "does"):
            table.add_column(heading, no_wrap=True)
        for heading in ("travelling", "working", "idling", "parked", "engine on"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in self._rows:
            table.add_row(*row)
        return table

    def _derive(self) -> Iterator[tuple[str, ...]]:
        from broker.store import open_store
        from broker.work.observed import Window
        from pantau.run_hours import derived

        window = Window(self._played.window.from_ms, max(self._played.now_ms, self._played.window.from_ms + 1))
        with open_store(self._city.store_url) as store:
            for vehicle in self._played.vehicles:
                sessions, hours = derived(store, vehicle.plan, window)
                kinds = {str(kind): ms for kind, ms in hours.by_kind_ms.items()}
                told = [kinds[each] for each in ("travelling", "working", "idling", "parked")]
                yield vehicle.plan.asset, _does(sessions), *(_hours(ms) for ms in [*told, hours.engine_on_ms])


def _hours(ms: int) -> str:
    """`6:40`; nothing of nothing."""
    hours, minutes = divmod(ms // 60_000, 60)
    return f"{hours}:{minutes:02}" if ms else ""


def _does(sessions: Sequence[Session]) -> str:
    """The last thing that is known of it: what is on its way is no news."""
    return next((str(each.kind) for each in reversed(sessions) if each.kind != "unknown"), "unknown")


# ---------------------------------------------------------------------- at the end


def _tell(city: City, played: Played) -> None:
    """The day's hours as the centre derives them, and below each what was played."""
    from broker.store import open_store
    from broker.work.observed import Window
    from pantau.run_hours import derived
    from pantau.tables import print_table
    from pantau.work_told import hours_table

    if played.now_ms == played.window.from_ms:
        print("\nthe day had not begun for all of them: there are no hours yet")
        return
    rows = []
    with open_store(city.store_url) as store:
        for vehicle in played.vehicles:
            player = played.players[vehicle.plan.name]
            window = Window(played.window.from_ms, player.now_ms)
            when = f"{_clock(window.from_ms):%H:%M}-{_clock(window.to_ms):%H:%M}"
            rows.append((vehicle.plan.asset, when, derived(store, vehicle.plan, window)[1]))
            rows.append(("", "as played", truth(vehicle.day, window)))
            for event in player.unsaid:
                print(f"{vehicle.plan.asset}: its box did not say {event} in time", file=sys.stderr)
    print(f"\nhours of {_clock(played.window.from_ms):%A %d %B %Y}, as the centre derives them, and what was played:\n")
    print_table(hours_table(rows))
    asset = played.vehicles[1].plan.asset
    hint = HINT.format(url=city.store_url, asset=asset, day=_clock(played.window.from_ms))
    print(f"\nwhere and from when to when: {hint}", file=sys.stderr)


def truth(day: Day, window: Window) -> Hours:
    """The hours of a simulated day as they were."""
    from broker.work.hours import Hours
    from broker.work.sessions import Kind

    by_kind_ms = {kind: day.hours_ms(str(kind), [window]) for kind in Kind}
    return Hours(
        from_ms=window.from_ms,
        to_ms=window.to_ms,
        by_kind_ms=by_kind_ms,
        engine_on_ms=day.on_ms("ignition", *window),
        engine_known_ms=window.lasts_ms,
        pto_on_ms=day.on_ms("pto", *window),
        pto_known_ms=window.lasts_ms,
        distance_cm=0,  # not told: which of its steps are a journey is a matter of thresholds
    )


def _clock(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, ZoneInfo(DEFAULT_ZONE))
