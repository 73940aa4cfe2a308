"""power: the box loses power, and with it everything that was not synced; the card is a file system of our own."""

from __future__ import annotations

from typing import Final

from torture.scenario import Setup, scenario
from torture.scene import Scene

# Between two cuts: a start (2 s), the allowance of what a cut may take, and some epochs that it may not.
CALM_S: Final = (7.0, 10.0)


@scenario(Setup(card=True, least_s=18.0))
def cut(scene: Scene) -> None:
    """A power cut at any moment takes at most the open report interval, and nothing that was accepted before."""
    while scene.going():
        scene.play(scene.luck.uniform(*CALM_S))
        scene.cut_power(scene.box)


@scenario(Setup(card=True, least_s=18.0))
def cut_without_a_link(scene: Scene) -> None:
    """Power cuts in an outage: what waits on the card is all there when the link is back."""
    scene.play(2.0)
    scene.box.link.cut()
    while scene.going():
        scene.play(scene.luck.uniform(*CALM_S))
        scene.cut_power(scene.box)
    scene.box.link.mend()
