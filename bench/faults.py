"""Every fault of a camera as a transformation of its pictures, in three strengths; for clips and drawn scenes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.scenes import HEIGHT, WIDTH, burn_clock
from edge.camera_node.picture import CHROMA_SHAPE, LUMA_SHAPE, Picture

STRENGTHS: Final = ("weak", "medium", "strong")
Plane = NDArray[np.float32]
Fault = Callable[[Picture, float], Picture]


def fault(kind: str, strength: str, first: Picture, random: np.random.Generator) -> Fault:
    """What makes (picture, seconds since onset) into the faulty picture; `first` is the last good one."""
    return _MAKERS[kind](STRENGTHS.index(strength), first, random)


def _planes(luma: Plane | NDArray[np.uint8], like: Picture, *, chroma: float = 1.0) -> Picture:
    u, v = (128 + (plane.astype(np.float32) - 128) * chroma for plane in (like.u, like.v))
    return Picture(_bytes(luma), _bytes(u), _bytes(v), like.width_px, like.height_px)


def _bytes(plane: Plane | NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(plane.clip(0, 255).astype(np.uint8))


def _frozen(level: int, first: Picture, random: np.random.Generator) -> Fault:
    def frozen(_: Picture, at_s: float) -> Picture:
        """Strong: the very same. Medium: a clock goes on. Weak: and a gateway encodes it anew, not always as well."""
        luma = first.luma.astype(np.float32)
        if level == 0:
            luma += np.kron(random.normal(0, 0.25, (45, 80)), np.ones((8, 8))).astype(np.float32)
        if level < 2:
            burn_clock(luma, at_s)
        return _planes(luma, first)

    return frozen


def _black(level: int, _: Picture, random: np.random.Generator) -> Fault:
    pedestal, share, noise = ((10.0, 0.03, 2.0), (6.0, 0.01, 1.5), (0.0, 0.0, 0.0))[level]
    return lambda picture, _: _planes(pedestal + share * picture.luma + _noise(random, noise), picture, chroma=share)


def _gain(kind: str) -> Callable[[int, Picture, np.random.Generator], Fault]:
    factors = {"dark": (0.5, 0.22, 0.1), "overexposed": (1.7, 3.2, 6.0)}[kind]

    def make(level: int, _: Picture, random: np.random.Generator) -> Fault:
        gain = factors[level] * random.uniform(0.9, 1.1)
        offset = 20.0 * (gain - 1) if gain > 1 else 0.0
        return lambda picture, _: _planes(picture.luma * np.float32(gain) + offset, picture, chroma=min(gain, 1.0))

    return make


def _blurred(level: int, _: Picture, random: np.random.Generator) -> Fault:
    sigma = (1.0, 2.0, 4.0)[level] * random.uniform(0.9, 1.15)
    return lambda picture, _: _planes(blur(picture.luma, sigma), picture)


def _covered(level: int, _: Picture, random: np.random.Generator) -> Fault:
    share = (0.2, 0.45, 0.95)[level]
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    angle = random.uniform(0, 2 * np.pi)
    way = np.cos(angle) * x / WIDTH + np.sin(angle) * y / HEIGHT + 0.06 * blur(random.normal(0, 30, LUMA_SHAPE), 14)
    mask = np.clip((np.quantile(way, share) - way) / 0.05 + 0.5, 0, 1).astype(np.float32)
    brightness, colour = random.uniform(25, 190), random.uniform(-15, 15, 2)
    stuff = brightness + 4 * blur(random.normal(0, 30, LUMA_SHAPE), 12)
    small = mask[::2, ::2]

    def covered(picture: Picture, _: float) -> Picture:
        luma = picture.luma * (1 - mask) + (stuff + _noise(random, 1.5)) * mask
        u, v = (
            _bytes(plane * (1 - small) + (128 + tint) * small)
            for plane, tint in zip((picture.u, picture.v), colour, strict=True)
        )
        return Picture(_bytes(luma.astype(np.float32)), u, v, picture.width_px, picture.height_px)

    return covered


def _moved(level: int, _: Picture, random: np.random.Generator) -> Fault:
    share = (0.03, 0.09, 0.25)[level]
    right = int(share * WIDTH * random.choice((-1, 1)))
    down = int(share * HEIGHT * random.uniform(-0.6, 0.6))

    def moved(picture: Picture, _: float) -> Picture:
        luma, u, v = (
            _shifted(plane, right // by, down // by)
            for plane, by in ((picture.luma, 1), (picture.u, 2), (picture.v, 2))
        )
        return Picture(luma, u, v, picture.width_px, picture.height_px)

    return moved


def _colour_lost(level: int, _: Picture, __: np.random.Generator) -> Fault:
    return lambda picture, _: _planes(picture.luma, picture, chroma=(0.4, 0.1, 0.0)[level])


def _noisy(level: int, _: Picture, random: np.random.Generator) -> Fault:
    return lambda picture, _: _planes(picture.luma + _noise(random, (6.0, 15.0, 30.0)[level]), picture)


def _torn(level: int, _: Picture, random: np.random.Generator) -> Fault:
    share, often = ((0.12, 0.6), (0.3, 0.85), (0.6, 1.0))[level]
    how = int(random.integers(0, 3))

    def torn(picture: Picture, _: float) -> Picture:
        if random.random() > often:
            return picture
        luma, u, v = picture.luma.copy(), picture.u.copy(), picture.v.copy()
        from_y = int(HEIGHT * (1 - share)) // 16 * 16
        if how == 0:
            luma[from_y:], u[from_y // 2 :], v[from_y // 2 :] = 128, 128, 128
        elif how == 1:
            luma[from_y:], u[from_y // 2 :], v[from_y // 2 :] = luma[from_y - 1], u[from_y // 2 - 1], v[from_y // 2 - 1]
        else:
            for y in range(from_y, HEIGHT, 32):
                away = int(random.integers(4, 36)) * 16
                drift = random.uniform(12, 45) * random.choice((-1, 1))  # errors of prediction add up along a slice
                luma[y : y + 32] = (np.roll(luma[y : y + 32], away, axis=1) + drift).clip(0, 255)
                for plane in (u, v):
                    plane[y // 2 : y // 2 + 16] = np.roll(plane[y // 2 : y // 2 + 16], away // 2, axis=1)
        return Picture(luma, u, v, picture.width_px, picture.height_px)

    return torn


def blur(plane: NDArray[np.uint8] | NDArray[np.float64] | Plane, sigma: float) -> Plane:
    """A Gaussian, separable, borders repeated."""
    reach = int(np.ceil(3 * sigma))
    weights = np.exp(-((np.arange(-reach, reach + 1) / sigma) ** 2) / 2)
    weights /= weights.sum()
    padded = np.pad(plane.astype(np.float32), reach, mode="edge")
    rows = sum(w * padded[i : i + plane.shape[0]] for i, w in enumerate(weights))
    return np.asarray(sum(w * rows[:, i : i + plane.shape[1]] for i, w in enumerate(weights)), np.float32)


def _noise(random: np.random.Generator, sigma: float) -> Plane:
    return np.asarray(random.standard_normal(LUMA_SHAPE, np.float32) * np.float32(sigma))


def _shifted(plane: NDArray[np.uint8], right: int, down: int) -> NDArray[np.uint8]:
    """Displaced; what comes into the view is the mirrored border."""
    rows, columns = (
        np.pad(np.arange(size), abs(way), mode="reflect")[abs(way) - way :][:size]
        for size, way in zip(plane.shape, (down, right), strict=True)
    )
    return np.asarray(plane[rows][:, columns])


_MAKERS: Final[dict[str, Callable[[int, Picture, np.random.Generator], Fault]]] = {
    "frozen": _frozen,
    "black": _black,
    "dark": _gain("dark"),
    "overexposed": _gain("overexposed"),
    "blurred": _blurred,
    "covered": _covered,
    "moved": _moved,
    "colour_lost": _colour_lost,
    "noisy": _noisy,
    "torn": _torn,
}
FAULTS: Final = tuple(_MAKERS)
assert CHROMA_SHAPE == (HEIGHT // 2, WIDTH // 2)
