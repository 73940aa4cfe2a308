"""What a camera shows when it sees: learned picture by picture, one for each light, small enough for a reboot."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from edge.camera_node.frames import CELLS, REGIONS, TILES, Features, Flags, Grid, by_region, likeness, on_tiles
from edge.camera_node.picture import LUMA_SHAPE

FOLLOWS_S: Final = 300.0  # time constant: dusk takes 30 minutes, and must be followed well before it is over
STEADY_S: Final = 180.0  # of a region's steadiness: a cover that is proven in 40 s must not be learned meanwhile
USABLE: Final = 4  # pictures; from here on a reference is held against what comes
YOUNG: Final = 12  # pictures; so long everything is learned quickly
DAY_LEAST: Final = 70.0  # mean luma
NIGHT_MOST: Final = 40.0
COLOUR_LEAST: Final = 1.0  # mean chroma of a picture with any colour; noise and compression leave about 0.5
LIGHTS: Final = ("day", "dusk", "night")
_STRUCTURE_LEAST: Final = 3.0  # levels; deviation of a region's cells that has a pattern to recognise
_AGREES: Final = 0.5  # likeness of a region that shows the same
_EDGE_LEAST: Final = (20.0, 10.0)  # spread and steepest step of a tile that has an edge, levels
_HIDDEN_MOST: Final = 0.5  # of both: less of them is left where something plain hides an edge
_GRIDS: Final = {"cells": CELLS, "edges": CELLS, "spread": TILES, "steepest": TILES, "rows": (LUMA_SHAPE[0] - 1,)}
_NUMBERS: Final = ("mean", "brightest", "white_share", "grey_share", "repeated_share", "chroma", "noise")


@dataclass(slots=True)
class Reference:
    """Running means of the features of pictures without a sign of a fault; see `Features` for units."""

    cells: Grid
    edges: Grid
    spread: Grid
    steepest: Grid
    rows: Grid
    steadiness: Grid  # (48,) how often a region agrees with its mean: low where trees sway or traffic runs
    mean: float
    brightest: float
    white_share: float
    grey_share: float
    repeated_share: float
    chroma: float
    noise: float
    hidden_share: float = 0.0  # of its edges that are hidden usually, 0 .. 1: by traffic, by what sways
    pictures: int = 0

    @classmethod
    def of(cls, seen: Features) -> Reference:
        """A reference of one picture."""
        grids = {name: getattr(seen, name).copy() for name in _GRIDS}
        numbers = {name: getattr(seen, name) for name in _NUMBERS}
        steadiness = np.ones(REGIONS[0] * REGIONS[1], np.float32)
        return cls(**grids, steadiness=steadiness, **numbers, pictures=1)

    @property
    def usable(self) -> bool:
        """Whether it is worth comparing with."""
        return self.pictures >= USABLE

    @property
    def light(self) -> str:
        """day, dusk or night: by brightness, and infrared pictures, which have no colour, are night's."""
        if self.mean < NIGHT_MOST or self.chroma < COLOUR_LEAST:
            return "night"
        return "day" if self.mean >= DAY_LEAST else "dusk"

    def trusted(self) -> Flags:
        """The regions (bool, 48) that have a pattern and keep it."""
        return np.asarray((by_region(self.cells).std(axis=1) >= _STRUCTURE_LEAST) & (self.steadiness >= 0.7))

    def agreeing(self, seen: Features) -> Flags:
        """The regions (bool, 48) that show the pattern they should, whatever the brightness."""
        return np.asarray(
            np.maximum(
                likeness(by_region(self.cells), by_region(seen.cells)),
                likeness(by_region(self.edges), by_region(seen.edges)),
            )
            > _AGREES
        )

    def edgy(self) -> Flags:
        """The tiles (bool, (18, 32)) with an edge, in regions that keep their pattern."""
        spread_least, steepest_least = _EDGE_LEAST
        kept = on_tiles(self.trusted().astype(np.float32)) > 0
        return np.asarray((self.spread >= spread_least) & (self.steepest >= steepest_least) & kept)

    def hidden_by(self, seen: Features) -> float:
        """The share, 0 .. 1, of its edges of which nothing sharp is left."""
        flat = (seen.spread < _HIDDEN_MOST * self.spread) & (seen.steepest < _HIDDEN_MOST * self.steepest)
        edgy = self.edgy()
        return int(np.count_nonzero(flat & edgy)) / max(1, int(np.count_nonzero(edgy)))

    def learn(self, seen: Features, passed_s: float) -> None:
        """Take in a picture without a sign, `passed_s` after the one before."""
        share = max(1 / (self.pictures + 1), 1 - math.exp(-passed_s / FOLLOWS_S))
        self.learn_steadiness(seen, passed_s, least=1 / (self.pictures + 1) if self.pictures < YOUNG else 0.0)
        for name in _GRIDS:
            mean = getattr(self, name)
            mean += share * (getattr(seen, name) - mean)
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + share * (getattr(seen, name) - getattr(self, name)))
        self.hidden_share += share * (self.hidden_by(seen) - self.hidden_share)
        self.pictures += 1

    def learn_steadiness(self, seen: Features, passed_s: float, least: float = 0.0) -> None:
        """Learn only which regions change: also while there is a doubt, slowly."""
        share = max(least, 1 - math.exp(-passed_s / STEADY_S))
        self.steadiness += share * (self.agreeing(seen) - self.steadiness)

    def copy(self) -> Reference:
        """One that learns on its own."""
        return load(self.dump())

    def dump(self) -> dict[str, Any]:
        """JSON-able, about 5 kB: grids as bytes in base64 (edges are quantised by their square root)."""
        grids = {name: _packed(getattr(self, name)) for name in _GRIDS}
        numbers = {name: round(float(getattr(self, name)), 3) for name in _NUMBERS}
        return {
            **grids,
            "steadiness": _packed(self.steadiness),
            **numbers,
            "hidden_share": round(self.hidden_share, 3),
            "pictures": self.pictures,
        }


def load(stored: Mapping[str, Any]) -> Reference:
    """The reference of a `dump`; raises ValueError when it is none."""
    try:
        grids: dict[str, Any] = {name: _unpacked(stored[name], shape) for name, shape in _GRIDS.items()}
        steadiness = _unpacked(stored["steadiness"], (REGIONS[0] * REGIONS[1],))
        numbers: dict[str, Any] = {name: float(stored[name]) for name in _NUMBERS}
        numbers["hidden_share"] = float(stored.get("hidden_share", 0.0))  # older ones have none, and learn it
        pictures = int(stored["pictures"])
    except (KeyError, TypeError, ValueError, OverflowError, binascii.Error) as error:
        raise ValueError(f"not a learned reference: {error!r}") from error
    if not all(map(math.isfinite, numbers.values())) or pictures < 1:
        raise ValueError("not a learned reference: a number is out of range")
    return Reference(**grids, steadiness=steadiness, **numbers, pictures=pictures)


def _packed(grid: Grid) -> dict[str, Any]:
    highest = float(grid.max()) or 1.0
    roots = np.sqrt(np.clip(grid / highest, 0, 1)) * 255
    return {"highest": round(highest, 3), "roots": base64.b64encode(roots.round().astype(np.uint8).tobytes()).decode()}


def _unpacked(stored: Mapping[str, Any], shape: tuple[int, ...]) -> Grid:
    highest = float(stored["highest"])
    if not 0 <= highest <= 1020:
        raise ValueError(f"highest is {highest}")
    roots = np.frombuffer(base64.b64decode(stored["roots"], validate=True), np.uint8).reshape(shape)
    return np.asarray((roots / np.float32(255)) ** 2 * np.float32(highest), np.float32)
