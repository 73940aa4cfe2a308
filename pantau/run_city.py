"""A city on this machine for as long as somebody looks: started, shown, stopped within seconds, and told of."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import typer

if TYPE_CHECKING:
    from stage.city import City, UnitPlan


class Player(Protocol):
    """What plays into a unit's port."""

    def play(self, stop: threading.Event) -> None:
        """Until its end, or until `stop`."""

    def close(self) -> None:
        """Let go of the port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """What there is to see: who plays, how it is looked at until something is true, and what is said at the end."""

    plans: Sequence[UnitPlan]
    plug_in: Callable[[City], Mapping[str, Player]]
    look: Callable[[City, Callable[[], bool]], None]
    tell: Callable[[City], None]


def run_city(
    show: Show, directory: Path, port: int, stop: threading.Event, asked: threading.Event, over: Callable[[], bool]
) -> None:
    """All of it, until `over()`, `asked`, or a process has ended that should run; typer.Exit(1) then."""
    from stage.city import City

    city = City(directory, show.plans, port=port)
    print(f"preparing certificates and configuration in {directory}", file=sys.stderr)
    city.prepare()
    players = show.plug_in(city)
    threads = [threading.Thread(target=p.play, args=(stop,), name=f"receiver of {name}") for name, p in players.items()]
    failed: list[str] = []
    try:
        print(f"starting broker on port {port}, bridge, publisher and {len(show.plans)} units", file=sys.stderr)
        city.start_centre()
        for thread in threads:
            thread.start()
        city.start_units()
        show.look(city, lambda: asked.is_set() or bool(city.ended()) or over())
        failed = [child.name for child in city.ended()]
    except KeyboardInterrupt:
        pass  # asked to end: that is what happens now
    finally:
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it running
        stop.set()
        late = city.stop()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
        for player in players.values():
            player.close()
    for name in failed + late:
        print(f"\n{name} failed; its log, {city.children[name].log_path}, ends:", file=sys.stderr)
        print(city.children[name].tail(), file=sys.stderr)
    if failed or late:
        raise typer.Exit(1)
    show.tell(city)
    print(f"ended; the store is {city.store_url}, logs are in {directory / 'log'}", file=sys.stderr)


def asked_to_end() -> threading.Event:
    """Set by Ctrl-C, SIGTERM or SIGHUP, which also interrupt: an exception alone is lost inside a destructor."""
    asked = threading.Event()

    def ask(*_: object) -> None:
        asked.set()
        raise KeyboardInterrupt

    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, ask)
    return asked
