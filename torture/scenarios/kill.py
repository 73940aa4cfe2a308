"""kill: SIGKILL of any process."""

from __future__ import annotations

import time
from typing import Final

from broker.clean import read_body
from broker.config import load_centre
from broker.downlink import Downlink
from stage.city import CENTRE
from torture.points import everyday
from torture.scenario import Setup, scenario
from torture.scene import Scene
from wire.kinds import KIND_RESULT

CALM_S: Final = (0.5, 4.0)  # between two kills
AWAY_S: Final = (0.0, 1.5)  # how long the killed process stays away
PING_EXPIRES_S: Final = 600.0


@scenario()
def random(scene: Scene) -> None:
    """Whatever is killed at random, every due epoch is stored once, and a consumer with a cursor misses nothing."""
    victims = [*CENTRE, *(box.name for box in scene.boxes)]
    while scene.going():
        scene.play(scene.luck.uniform(*CALM_S))
        scene.kill(scene.luck.choice(victims), scene.luck.uniform(*AWAY_S))


# Each death takes a start of the process and all it does until then: some eight of the two dozen points fit into this.
@scenario(Setup(least_s=20.0))
def at_commit_points(scene: Scene) -> None:
    """Killed at whatever commit point, a process goes on, nothing is lost, and no command is carried out twice."""
    while scene.going():
        at_each_commit_point(scene)
    # What a dead bridge took with it is sent again after 90 s, or in a new session at once; kill-random waits for it.
    scene.kill(scene.box.name)


def at_each_commit_point(scene: Scene) -> None:
    """One death at each point, in an order that the seed draws, as long as there is time."""
    ordered: list[str] = []
    for program, point, most_passes in scene.luck.sample(everyday(), k=len(everyday())):
        if not scene.going():
            break
        name = scene.luck.choice(scene.boxes).name if program == "gps_unit" else program
        if point.startswith("command:"):
            ordered.append(_ping(scene))
        if program == "bridge" and point.startswith("receipt:"):
            scene.kill(scene.box.name)  # the first receipt of a session goes at once, those after it within a minute
        scene.die_at(name, point, scene.luck.randint(1, most_passes))
        scene.start(name)
    answered = [read_body(entry).command_id for entry in scene.entries(scene.box, KIND_RESULT)]
    once = all(answered.count(command_id) == 1 for command_id in ordered)
    scene.claim("each command was carried out once", once, f"{len(answered)} answers, {len(ordered)} asked for now")


def _ping(scene: Scene) -> str:
    """Order a ping of the first box; the id of the command."""
    with Downlink(load_centre(scene.city.centre_config).downlink_path) as downlink:
        expires_utc_ms = int((time.time() + PING_EXPIRES_S) * 1000)
        return downlink.order(scene.box.name, "ping", {}, expires_utc_ms=expires_utc_ms).id
