"""The camera pole of `pantau run`: two simulated cameras, of which one goes blind for a while."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge.sim.cameras import SimCamera
    from stage.city import City, UnitPlan

UNIT: Final = "pole-001"
BLIND_AFTER_S: Final = 45.0  # its view has been learned by then
BLIND_FOR_S: Final = 90.0


@contextmanager
def pole(directory: Path, stop: threading.Event) -> Iterator[UnitPlan | None]:
    """The plan of a pole with two cameras, which last as long as the block.

    None, and a line that says what is missing, where they cannot be simulated.
    """
    from edge.sim.cameras import CameraHost, NoCameras, missing

    if why := missing():
        print(f"no cameras: {why}", file=sys.stderr)
        yield None
        return
    try:
        host = CameraHost(directory / "cameras")
    except NoCameras as error:
        print(f"no cameras: {error}", file=sys.stderr)
        yield None
        return
    with host:
        cameras = [host.camera("gate", seed=1, frames_per_s=5), host.camera("yard", seed=2, frames_per_s=5)]
        blinder = threading.Thread(target=_blind, args=(cameras[0], stop), name="who covers the gate's camera")
        blinder.start()
        try:
            yield _plan(directory, cameras)
        finally:
            stop.set()
            host.wake()
            blinder.join()


def wall(city: City) -> Callable[[], RenderableType]:
    """What `pantau cameras` says now."""
    from broker.cameras import wall_of
    from broker.config import load_centre
    from broker.presence import read_presence
    from broker.store import StoreUnavailable, open_store
    from pantau.cameras import shown

    centre = load_centre(str(city.centre_config))

    def now() -> RenderableType:
        units, _ = read_presence(centre.presence_path)
        online = {unit.unit: unit.online for unit in units}
        now_utc_ms = time.time_ns() // 1_000_000
        try:
            with open_store(city.store_url) as store:
                found = wall_of(store, now_utc_ms=now_utc_ms, online=online.get)
        except StoreUnavailable as error:
            return f"the store does not answer: {error}"
        return shown(found, now_utc_ms=now_utc_ms, every=True)

    return now


def _blind(camera: SimCamera, stop: threading.Event) -> None:
    """Cover it after a while, and uncover it; again and again."""
    while not stop.wait(BLIND_AFTER_S):
        camera.cover()
        if stop.wait(BLIND_FOR_S):
            return
        camera.recover()


def _plan(directory: Path, cameras: list[SimCamera]) -> UnitPlan:
    from stage.city import UnitPlan

    passwords = (directory / "cameras" / "passwords.toml").absolute()
    passwords.unlink(missing_ok=True)
    passwords.touch(mode=0o600)
    # JSON's strings are TOML's.
    words = [f"[{c.name}]\nuser = {json.dumps(c.user)}\npassword = {json.dumps(c.password)}\n" for c in cameras]
    passwords.write_text("".join(words), "utf-8")
    return UnitPlan(
        name=UNIT,
        asset="junction-01",
        agency="transport",
        kind="pole",
        settings={"pole": {"every_s": 1.0, "passwords_path": str(passwords)}},
        cameras=tuple({"name": camera.name, "url": camera.url} for camera in cameras),
    )
