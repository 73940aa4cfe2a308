"""SIGTERM: the open interval becomes a record and the process exits 0 within five seconds, whatever the link does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from outing import assert_stored_once, drain, eventually, outing, plan

from edge.outbox_reader import OutboxReader
from edge.sim.link import SimulatedLink
from stage.city import City, free_port
from wire.decode import decode_track
from wire.kinds import KIND_TRACK

UNIT = "box-1"
LONG_INTERVAL_S = 3600.0  # nothing is appended before the stop
ROWS = 1_000


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def link(port: int) -> Iterator[SimulatedLink]:
    with SimulatedLink("127.0.0.1", port) as link:
        yield link


@pytest.fixture
def city(tmp_path: Path, port: int, link: SimulatedLink) -> Iterator[City]:
    city = City(
        tmp_path,
        [plan(UNIT, {"report": {"interval_s": LONG_INTERVAL_S, "profiles": False}})],
        port=port,
        broker_port=link.port,
    )
    city.prepare()
    city.start_centre()
    yield city
    assert city.stop() == []


def healthy(_city: City, _link: SimulatedLink) -> None:
    """Nothing is wrong."""


def half_open(_city: City, link: SimulatedLink) -> None:
    """Both ways swallow everything, and nobody is told."""
    link.silence("up")
    link.silence("down")


def refused(_city: City, link: SimulatedLink) -> None:
    """No link; the next attempt is waited for."""
    link.cut()


def handshaking(_city: City, link: SimulatedLink) -> None:
    """The link broke, and the new one gets no answer to its handshake."""
    link.cut()
    link.mend()
    link.silence("down")
    time.sleep(2.0)


def frozen(city: City, _link: SimulatedLink) -> None:
    """The broker takes bytes until its socket is full, and answers none."""
    pid = city.children["mosquitto"].pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)


def thaw(city: City) -> None:
    pid = city.children["mosquitto"].pid
    if pid is not None:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.parametrize("trouble", [healthy, half_open, refused, handshaking, frozen], ids=lambda act: act.__name__)
def test_sigterm_appends_the_open_interval_and_exits_0_within_five_seconds(
    city: City, link: SimulatedLink, trouble: Callable[[City, SimulatedLink], None]
) -> None:
    box = outing(city, UNIT)
    try:
        box.begin()
        eventually(lambda: "connected to" in box.child.log_path.read_text("utf-8"), 20)
        time.sleep(3)
        assert in_outbox(city) == set()
        trouble(city, link)
        time.sleep(2)
        told = box.end()  # asserts the exit code and the five seconds
    finally:
        thaw(city)
        box.give_up()
    assert in_outbox(city) == told
    link.mend()
    drain({city.outbox_path(UNIT): box.child})
    assert_stored_once(city, UNIT, told)


def in_outbox(city: City) -> set[int]:
    """Times of all fixes that wait in the outbox."""
    reader = OutboxReader(city.outbox_path(UNIT))
    try:
        tracks = [decode_track(row.body) for row in reader.above(0, ROWS) if row.kind == KIND_TRACK]
    finally:
        reader.close()
    return {utc_ms for track in tracks for utc_ms in track.times_ms if utc_ms is not None}
