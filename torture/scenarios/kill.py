"""kill: SIGKILL of any process."""

from __future__ import annotations

from typing import Final

from stage.city import CENTRE
from torture.scenario import scenario
from torture.scene import Scene

CALM_S: Final = (0.5, 4.0)  # between two kills
AWAY_S: Final = (0.0, 1.5)  # how long the killed process stays away


@scenario()
def random(scene: Scene) -> None:
    """Whatever is killed at random, every due epoch is stored once, and a consumer with a cursor misses nothing."""
    victims = [*CENTRE, *(box.name for box in scene.boxes)]
    while scene.going():
        scene.play(scene.luck.uniform(*CALM_S))
        scene.kill(scene.luck.choice(victims), scene.luck.uniform(*AWAY_S))
