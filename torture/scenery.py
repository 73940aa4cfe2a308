"""What a scene is played with: a city and its boxes, each with what its setup asks for; made here, started there."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from edge.sim.card import SimulatedCard, why_not
from edge.sim.link import SimulatedLink
from edge.sim.nmea import Epoch as Said
from edge.sim.receiver import recorded
from stage.city import City, UnitPlan, free_port
from stage.namespace import CENTRE_ADDRESS, Link, NamespaceRefused
from stage.namespace import link as network_link
from torture.boot import Boot
from torture.box import Box
from torture.consumer import KnownBy
from torture.drive import marked
from torture.os_clock import OsClock
from torture.scenario import EVERY_EPOCH, Setup, Unready, merged

WITNESS: Final = "city-witness"  # a second reader of all agencies, for what a scenario wants to see


class Scenery:
    """`city`, `boxes` and `centre_clock` (None: it has the machine's); `close` takes down what stands around them.

    Raises Unready where the machine lacks what the setup needs.
    """

    def __init__(
        self, directory: Path, setup: Setup, *, luck: random.Random, known_by: KnownBy, log: bytes | None, speed: float
    ) -> None:
        self._setup = setup
        self._luck = luck
        self._known_by = known_by
        self._log = log
        self._speed = speed
        self._stack = ExitStack()
        try:
            self._make(directory)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Links, networks and cards are gone; processes have to be, before."""
        self._stack.close()

    def _make(self, directory: Path) -> None:
        setup = self._setup
        port, listen = free_port(), CENTRE_ADDRESS if setup.network else "127.0.0.1"
        self._networks = [self._network(index) for index in range(setup.boxes)] if setup.network else []
        links = [self._stack.enter_context(SimulatedLink("127.0.0.1", port, listen=listen)) for _ in range(setup.boxes)]
        directory.mkdir(parents=True, exist_ok=True)
        self._clocks = [OsClock(directory / f"clock-{index}") for index in range(setup.boxes)] if setup.clock else []
        self._boots = [Boot(directory, index, self._luck) for index in range(setup.boxes)] if setup.boots else []
        self.centre_clock = OsClock(directory / "clock-centre") if setup.clock else None
        self.city = City(
            directory,
            [self._plan(index, link) for index, link in enumerate(links)],
            port=port,
            consumers={WITNESS: ("*",)},
            units_host=CENTRE_ADDRESS if setup.network else None,
            environments={"bridge": self.centre_clock.environment} if self.centre_clock else None,
        )
        self.city.prepare()
        self.boxes = [self._box(index, link) for index, link in enumerate(links)]
        if setup.card:
            self._mount_cards()

    def _plan(self, index: int, link: SimulatedLink) -> UnitPlan:
        settings = merged(merged(EVERY_EPOCH, self._setup.settings), {"broker": {"port": link.port}})
        return UnitPlan(
            name=f"box-{index + 1}",
            asset=f"ambulance-{index + 1}",
            agency="health",
            kind="ambulance",
            settings=settings,
            inside=(
                *(self._networks[index].inside if self._networks else ()),
                *(self._boots[index].inside if self._boots else ()),
            ),
            environment=self._clocks[index].environment if self._clocks else {},
        )

    def _network(self, index: int) -> Link:
        try:
            return self._stack.enter_context(network_link(index))
        except NamespaceRefused as refused:
            raise Unready(str(refused)) from refused

    def _box(self, index: int, link: SimulatedLink) -> Box:
        plan = self.city.units[index]
        box = Box(plan.name, self._epochs(index), self.city.tty(plan.name), link, self._known_by)
        box.child = self.city.children[plan.name]
        box.network = self._networks[index] if self._networks else None
        box.boot = self._boots[index] if self._boots else None
        box.clock = self._clocks[index] if self._clocks else None
        return box

    def _mount_cards(self) -> None:
        if (why := why_not()) is not None:
            raise Unready(why)
        for box in self.boxes:
            home = self.city.outbox_path(box.name).parent
            box.card = self._stack.enter_context(SimulatedCard(home, volatile=["run"]))

    def _epochs(self, index: int) -> Iterator[Said]:
        now_ms = time.time_ns() // 1_000_000  # a generator: this is when the receiver begins to talk
        if self._setup.said is not None:
            yield from self._setup.said(now_ms, index)
        elif self._log is None:
            yield from marked(now_ms, per_s=self._setup.epochs_per_s, lane=index)
        else:
            yield from recorded(self._log, now_ms, speed=self._speed, loop=True)
