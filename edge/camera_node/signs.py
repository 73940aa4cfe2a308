"""What one picture lets suspect: each cause by its own mark, the surest first.

Marks are ratios to the camera's own reference wherever there is one; levels are luma of 8 bits at 640 x 360.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from edge.camera_node.frames import CELL_PX, REGIONS, Features, Grid, by_region, displacement, likeness, on_tiles
from edge.camera_node.hysteresis import Grade, Sign
from edge.camera_node.picture import LUMA_SHAPE
from edge.camera_node.reference import COLOUR_LEAST, DAY_LEAST, LIGHTS, Reference

TRUSTED_LEAST: Final = 8  # regions of 48 that must hold still before a view can be said to be covered or moved
EDGY_LEAST: Final = 15  # tiles with an edge to be sharp or not
FOOT: Final = 4.0  # levels: what noise makes of black

ANOTHER_LEAST: Final = 0.55  # share of the view that shows something else when it is turned or another one
DULL_MOST: Final = 0.4  # share of what has changed that may have no sharp edges, and it is no cover
BROKEN_MOST: Final = 0.45  # of the view below a cut, so much may be as it was; beside and below a lorry it is more
HIDDEN_LEAST: Final = (0.1, 0.7)  # share of the edges hidden beyond what usually is: at least, and of what usually is
SHARP: Final = 0.8  # of its usual sharpness or contrast: nothing blurs or veils it

_COVER_LEAST: Final = (0.33, 0.6, 0.85)  # shares of the view from which on a cover is proven faster
_COVER_GRADES: Final = (Grade.POSSIBLE, Grade.LIKELY, Grade.STRONG, Grade.SURE)


@dataclass(frozen=True, slots=True)
class Situation:
    """What else is known when a picture is looked at."""

    before: Features | None  # the picture before
    change: float  # median change of a cell since then, levels
    still_s: float  # how long the content stands still, when that is proven; else 0
    clock: bool  # but a clock goes on
    calm_mean: float  # brightness of the last picture without a sign, levels; 0: none yet


def first_sign(seen: Features, reference: Reference | None, situation: Situation) -> Sign | None:
    """The surest sign of a fault; None when it sees. A reference that is not usable yet is not used."""
    usable = reference if reference is not None and reference.usable else None
    doubt = None
    for sign in _signs(seen, usable, situation):
        if sign.grade is not Grade.POSSIBLE:
            return sign
        doubt = doubt or sign
    return doubt


def _signs(seen: Features, reference: Reference | None, situation: Situation) -> Iterator[Sign]:
    yield from _black(seen)
    yield from _frozen(situation)
    yield from _overexposed(seen, reference, situation)
    yield from _torn(seen, reference)
    yield from _noisy(seen, reference, situation)
    if reference is None:
        yield from _dark_at_once(seen)
        return
    yield from _dark(seen, reference)
    yield from _elsewhere(seen, reference, situation)
    yield from _blurred(seen, reference)
    yield from _hidden(seen, reference)
    yield from _colour_lost(seen, reference)


def _torn(seen: Features, reference: Reference | None) -> Iterator[Sign]:
    grey = seen.grey_share - (reference.grey_share if reference else 0.0)
    repeated = seen.repeated_share - (reference.repeated_share if reference else 0.0)
    if grey > 0.06:
        yield Sign("torn", Grade.STRONG, f"{grey:.0%} of the picture is the grey of a decoder without data")
    # Blur makes rows alike, too, but leaves the view the same.
    if repeated > 0.06 and (reference is None or _changed_share(seen, reference) >= 0.08):
        yield Sign("torn", Grade.STRONG, f"the lower rows repeat one row over {repeated:.0%} of the picture")
    if seen.corrupt:
        yield Sign("torn", Grade.STRONG, "the decoder had to guess parts of the picture")


class Cut(NamedTuple):
    """A row (of 360), and whether the picture breaks there from border to border."""

    row: int
    across: bool


def _cut(seen: Features, reference: Reference, rests: bool) -> Cut | None:
    """The row across which the picture breaks: new to the reference, as it should be above, and not below.

    Where nothing above can be known again (sky), it must be torn anew each time: a roof of another view is a row, too.
    """
    # Blur carries a line that is always there some rows up and down.
    usual = np.max([np.roll(reference.rows, by) for by in range(-5, 6)], axis=0)
    around = np.maximum(np.roll(seen.rows, 3), np.roll(seen.rows, -3))
    cuts = np.flatnonzero(seen.rows > 0.2 + 2 * np.maximum(usual, around))
    row = int(cuts[0]) * REGIONS[0] // LUMA_SHAPE[0] if len(cuts) else 0
    agreeing, trusted = reference.agreeing(seen), reference.trusted()
    above, below = (slice(0, row * REGIONS[1]), slice((row + 1) * REGIONS[1], None))
    if not len(cuts) or not trusted[below].any():
        return None
    whole = agreeing[above][trusted[above]].mean() >= 0.75 if trusted[above].any() else not rests
    across = bool(np.count_nonzero(seen.rows[cuts] > 0.8) >= 2)  # from border to border: no vehicle is as long
    broken = across or agreeing[below][trusted[below]].mean() < BROKEN_MOST
    return Cut(int(cuts[0]), across) if whole and broken else None


def _black(seen: Features) -> Iterator[Sign]:
    if seen.mean <= 14 and seen.brightest <= 26 and seen.deviation < 2.5:
        yield Sign("black", Grade.SURE, f"the whole picture is black (brightness {seen.mean:.0f} of 255, no pattern)")


def _frozen(situation: Situation) -> Iterator[Sign]:
    if situation.still_s:
        but = "; only a small place, like a clock, goes on" if situation.clock else ""
        text = f"the stream runs, but its content has not changed at all for {situation.still_s:.0f} s{but}"
        yield Sign("frozen", Grade.PROVEN, text)


def _overexposed(seen: Features, reference: Reference | None, situation: Situation) -> Iterator[Sign]:
    usual = reference.white_share if reference else 0.0
    new = seen.white_share - usual
    text = f"{seen.white_share:.0%} of the picture is plain white ({usual:.0%} usually)"
    # A step of exposure makes a white sky: only together with a far brighter picture is it more. Brighter than it was
    # before: at dawn the reference is behind.
    before = max(reference.mean, situation.calm_mean) if reference else None
    brighter = seen.mean > (180.0 if before is None else min(215.0, max(90.0, 1.5 * before)))
    if new > 0.6:
        yield Sign("overexposed", Grade.SURE, text)
    elif brighter and new > 0.05:
        yield Sign("overexposed", Grade.STRONG, text)


def _noisy(seen: Features, reference: Reference | None, situation: Situation) -> Iterator[Sign]:
    if situation.before is None:
        return
    # Texture makes its share in one picture, motion its own between two: noise makes both.
    sigma = min(seen.noise, situation.change / 1.128)  # mean |a - b| of two noises is 2 sigma / sqrt(pi)
    if reference:  # a larger exposure makes its noise larger
        sigma /= max(1.0, seen.mean / max(reference.mean, 1.0))
    usual = reference.noise if reference else 3.0
    if sigma >= 7 and sigma >= 2 + 1.8 * usual:
        yield Sign("noisy", Grade.STRONG, f"noise of {sigma:.0f} levels all over ({usual:.1f} usually)")


def _dark_at_once(seen: Features) -> Iterator[Sign]:
    if seen.mean < 26 and seen.brightest < 70:
        yield Sign("dark", Grade.STRONG, f"too dark to see (brightness {seen.mean:.0f} of 255, no lights)")


def _dark(seen: Features, reference: Reference) -> Iterator[Sign]:
    usual = max(reference.mean - FOOT, 1.0)
    ratio = max(seen.mean - FOOT, 0.0) / usual
    lights = (seen.brightest - FOOT) / max(reference.brightest - FOOT, 1.0)
    if ratio > 0.4 or lights > 0.6 or usual < 8 or _changed_share(seen, reference) > 0.5:
        return
    text = f"brightness fell at once from {reference.mean:.0f} to {seen.mean:.0f} of 255, the view is the same"
    yield Sign("dark", Grade.STRONG, text)


def _changed_share(seen: Features, reference: Reference) -> float:
    trusted = reference.trusted()
    if np.count_nonzero(trusted) < TRUSTED_LEAST:
        return 0.0
    return float(np.mean(~reference.agreeing(seen)[trusted]))


def _elsewhere(seen: Features, reference: Reference, situation: Situation) -> Iterator[Sign]:
    """Covered, or moved: the pattern of many regions is not what it was."""
    trusted = reference.trusted()
    if np.count_nonzero(trusted) < TRUSTED_LEAST:
        return
    changed = ~reference.agreeing(seen) & trusted
    share = float(changed.sum() / trusted.sum())
    rests = situation.before is not None and _alike(situation.before, seen) > 0.6
    # What covers a lens is too near for its focus: it has no sharp edges. A view that has moved has them elsewhere.
    sharpness = by_region(seen.steepest).mean(axis=1) / np.maximum(by_region(reference.steepest).mean(axis=1), 1)
    dull = float((changed & (sharpness < 0.6)).sum() / trusted.sum())
    if rests and share >= 0.25 and dull < 0.6 and (moved := _displaced(seen, reference)):
        yield moved
    if (cut := _cut(seen, reference, rests)) is not None:
        grade = Grade.STRONG if cut.across else Grade.LIKELY  # a slow lorry's roof is a row, too, while it passes
        yield Sign("torn", grade, f"the picture is cut across at {cut.row / LUMA_SHAPE[0]:.0%} of its height")
    if share < 0.15:
        return
    if share >= ANOTHER_LEAST and dull < DULL_MOST * share:
        grade = Grade.POSSIBLE if not rests or share < 0.7 else Grade.STRONG if dull < 0.12 else Grade.LIKELY
        yield Sign("moved", grade, f"{share:.0%} of the fixed view shows something else, sharply: turned away")
    elif dull >= 0.12:
        grade = _COVER_GRADES[sum(dull >= least for least in _COVER_LEAST)]
        yield Sign("covered", grade, f"{dull:.0%} of the view that stands still otherwise is hidden by something plain")
    elif share >= 0.4:
        yield Sign("covered", Grade.POSSIBLE, f"something stands before {share:.0%} of the view")


def _displaced(seen: Features, reference: Reference) -> Sign | None:
    right, down, alike = displacement(reference.edges, seen.edges)
    _, _, itself = displacement(reference.edges, reference.edges)
    here = float(likeness(np.log1p(reference.edges).ravel(), np.log1p(seen.edges).ravel()))
    if (right, down) == (0, 0) or alike < 0.45 * itself or alike < here + 0.12:
        return None
    x, y = abs(right) * CELL_PX / LUMA_SHAPE[1], abs(down) * CELL_PX / LUMA_SHAPE[0]
    ways = [f"{x:.0%} of its width to the {'right' if right > 0 else 'left'}"] if right else []
    ways += [f"{y:.0%} of its height {'down' if down > 0 else 'up'}"] if down else []
    return Sign("moved", Grade.STRONG, f"the known view lies {' and '.join(ways)} of where it was")


def _contrast(seen: Features, reference: Reference) -> Grid:
    """By region (48), what is left of the pattern's usual contrast: 1 is all of it."""
    usual, now = (by_region(cells).std(axis=1) for cells in (reference.cells, seen.cells))
    return np.asarray(now / np.maximum(usual, 1.0))


def _alike(one: Features, other: Features) -> float:
    return float(likeness(np.log1p(one.edges).ravel(), np.log1p(other.edges).ravel()))


def _blurred(seen: Features, reference: Reference) -> Iterator[Sign]:
    edgy = (reference.spread >= 40) & (reference.steepest >= 10)
    if np.count_nonzero(edgy) < EDGY_LEAST or np.count_nonzero(reference.trusted()) < TRUSTED_LEAST:
        return
    # Mist, dusk and a lower exposure take contrast from an edge and from the pattern around it alike: the rest is blur.
    contrast = on_tiles(np.clip(_contrast(seen, reference), 0.1, 1.0))
    left = seen.steepest / np.maximum(reference.steepest, 1)
    sharpness = float(np.median((left / contrast)[edgy]))
    if sharpness < 0.58 and np.quantile(left[edgy], 0.8) < SHARP:  # what leaves some edges sharp hides the others
        grade = Grade.STRONG if sharpness < 0.5 else Grade.POSSIBLE
        yield Sign("blurred", grade, f"edges have {sharpness:.0%} of their usual sharpness, the view is the same")


def _hidden(seen: Features, reference: Reference) -> Iterator[Sign]:
    """Sprayed, or covered in part by something too small to change whole regions: edges gone, the others as sharp."""
    edgy, share, usual = reference.edgy(), reference.hidden_by(seen), reference.hidden_share
    if np.count_nonzero(edgy) < EDGY_LEAST or share < usual + max(HIDDEN_LEAST[0], HIDDEN_LEAST[1] * usual):
        return
    left = (seen.steepest / np.maximum(reference.steepest, 1))[edgy]
    # Mist, rain and night take something from all of them.
    if np.quantile(left, 0.75) >= SHARP and np.median(_contrast(seen, reference)[reference.trusted()]) >= SHARP:
        text = f"the edges of {share:.0%} of the fixed view are hidden, the others sharp"
        yield Sign("covered", Grade.POSSIBLE, text)


def _colour_lost(seen: Features, reference: Reference) -> Iterator[Sign]:
    if reference.chroma < 2 * COLOUR_LEAST or reference.light != LIGHTS[0]:
        return  # in the evening a camera goes over to infrared: that is meant
    # Going over to infrared changes the brightness, too, and a picture as dark as dusk may do it.
    same_light = 0.8 <= seen.mean / reference.mean <= 1.25 and seen.mean >= DAY_LEAST
    if same_light and seen.chroma < 0.25 * reference.chroma + 0.2:
        text = f"colour is gone in daylight (chroma {seen.chroma:.1f}, {reference.chroma:.1f} usually)"
        yield Sign("colour_lost", Grade.STRONG, text)
