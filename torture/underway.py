"""What many scenarios wait for before and after they break something."""

from __future__ import annotations

from typing import Final

from torture.box import Box
from torture.scene import Scene

UNDERWAY_WITHIN_S: Final = 20.0


def underway(scene: Scene, box: Box) -> None:
    """The box's positions arrive, in its second session: the first one only learns what date it is."""
    heard = scene.until(
        lambda: box.link.connections >= 2 and any(t.unit == box.name for t in scene.consumer.tracks()),
        UNDERWAY_WITHIN_S,
    )
    scene.claim(f"{box.name} is under way before anything breaks", heard)


def connects(scene: Scene, box: Box, before: int, within_s: float, claim: str) -> bool:
    """Whether a connection was made beyond so many before."""
    return scene.until(lambda: box.link.connections > before, within_s, claim)
