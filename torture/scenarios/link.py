"""link: what a mobile network does to a connection."""

from __future__ import annotations

from torture.scenario import scenario
from torture.scene import Scene


@scenario()
def flapping(scene: Scene) -> None:
    """A link that goes and comes every few seconds costs nothing but time."""
    while scene.going():
        scene.play(scene.luck.uniform(1.0, 5.0))
        scene.box.link.cut()
        scene.fault("cut")
        scene.settle(scene.luck.uniform(0.5, 5.0))
        scene.box.link.mend()
