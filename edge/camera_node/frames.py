"""What a picture shows, as a few small grids and numbers: pure numpy, a few ms a picture, no memory of earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.camera_node.picture import CHROMA_SHAPE, LUMA_SHAPE, Picture

Grid = NDArray[np.float32]
Flags = NDArray[np.bool_]

CELL_PX: Final = 10
CELLS: Final = (LUMA_SHAPE[0] // CELL_PX, LUMA_SHAPE[1] // CELL_PX)  # 36 x 64: coarse enough to be small on the disk
TILE_PX: Final = 20
TILES: Final = (LUMA_SHAPE[0] // TILE_PX, LUMA_SHAPE[1] // TILE_PX)  # 18 x 32: an edge and its two sides fit into one
REGIONS: Final = (6, 8)  # of 6 x 8 cells, or 3 x 4 tiles, each

WHITE: Final = 240  # of 255, with room for what an encoder makes of plain white
GREY: Final = 128  # what a decoder fills in that has nothing to show

_FAR: Final = 8  # levels
_REPEATED_ROWS_LEAST: Final = 12  # rows; captions and bars are lower
# Immerkaer, "Fast noise variance estimation" (1996): mean |mask| of pure noise is 6 sigma sqrt(2 / pi).
_IMMERKAER: Final = float(np.sqrt(np.pi / 2) / 6)


@dataclass(frozen=True, slots=True)
class Features:
    """One picture's features. Grids of cells are (36, 64), of tiles (18, 32), float32, in levels of luma 0 .. 255."""

    cells: Grid  # mean luma
    edges: Grid  # mean |dx| + |dy|, cells
    spread: Grid  # highest - lowest luma of a tile
    steepest: Grid  # the largest step between neighbours in a tile
    rows: Grid  # (359,) share of a row that is far from the row below it, 0 .. 1
    mean: float
    brightest: float  # 99th percentile of the luma
    deviation: float  # of the cells
    white_share: float  # of pixels, 0 .. 1
    grey_share: float  # of tiles that are exactly the grey of a decoder without data
    repeated_share: float  # of rows that only repeat the row above, in runs
    chroma: float  # mean distance from no colour, levels
    noise: float  # sigma, levels, of the quieter fifth of the picture
    corrupt: bool


def features(picture: Picture) -> Features:
    """Describe a picture; raises ValueError when its planes have not the shapes of a `Picture`."""
    if picture.luma.shape != LUMA_SHAPE or picture.u.shape != CHROMA_SHAPE or picture.v.shape != CHROMA_SHAPE:
        raise ValueError(f"planes of {picture.luma.shape}, {picture.u.shape}, {picture.v.shape} instead of 360 x 640")
    luma = picture.luma.astype(np.int16)
    across, down = np.abs(np.diff(luma, axis=1)), np.abs(np.diff(luma, axis=0))
    steps = np.zeros(LUMA_SHAPE, np.int16)
    steps[:, :-1] += across
    steps[:-1] += down
    larger = np.zeros(LUMA_SHAPE, np.int16)
    larger[:, :-1] = across
    np.maximum(larger[:-1], down, out=larger[:-1])
    spread = _tiles_max(picture.luma) - _tiles_min(picture.luma)
    cells = cell_means(picture.luma)
    histogram = np.bincount(picture.luma.ravel(), minlength=256)
    chroma = float(np.abs(picture.u.astype(np.int16) - GREY).mean() + np.abs(picture.v.astype(np.int16) - GREY).mean())
    return Features(
        cells=cells,
        edges=cell_means(steps),
        spread=spread,
        steepest=_tiles_max(larger),
        rows=(down > _FAR).mean(axis=1, dtype=np.float32),
        mean=float(cells.mean()),
        brightest=float(np.searchsorted(histogram.cumsum(), 0.99 * picture.luma.size)),
        deviation=float(cells.std()),
        white_share=float(histogram[WHITE:].sum() / picture.luma.size),
        grey_share=_grey_share(picture, spread, cells),
        repeated_share=_repeated_share(across, down, luma),
        chroma=chroma / 2,
        noise=_noise(luma),
        corrupt=picture.corrupt,
    )


def cell_means(plane: NDArray[np.uint8] | NDArray[np.int16]) -> Grid:
    """The (36, 64) means of a plane of (360, 640)."""
    # Sums, not a product of matrices: BLAS would wake a thread a core for it, and cost 20 times as much.
    rows = plane.reshape(CELLS[0], CELL_PX, LUMA_SHAPE[1]).sum(axis=1, dtype=np.int32)
    sums = rows.reshape(CELLS[0], CELLS[1], CELL_PX).sum(axis=2)
    return np.asarray(sums / np.float32(CELL_PX**2), np.float32)


def change(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Grid:
    """Mean absolute difference of two lumas, by cell: noise and all."""
    return cell_means(np.asarray(np.abs(after.astype(np.int16) - before), np.int16))


def tiles_of(cells: Grid) -> Grid:
    """Means by tile of a grid of cells."""
    return np.asarray(cells.reshape(TILES[0], 2, TILES[1], 2).mean(axis=(1, 3)), np.float32)


def by_region(grid: Grid) -> Grid:
    """A grid of cells or tiles cut into regions: (48, what is in one)."""
    high, wide = grid.shape[0] // REGIONS[0], grid.shape[1] // REGIONS[1]
    cut = grid.reshape(REGIONS[0], high, REGIONS[1], wide).swapaxes(1, 2)
    return np.asarray(cut.reshape(REGIONS[0] * REGIONS[1], high * wide), np.float32)


def on_tiles(regions: Grid) -> Grid:
    """What each region (48) has, on each of its tiles."""
    return regions.reshape(REGIONS).repeat(TILES[0] // REGIONS[0], axis=0).repeat(TILES[1] // REGIONS[1], axis=1)


def likeness(one: Grid, other: Grid) -> Grid:
    """Correlation row by row, -1 .. 1: the same pattern whatever its brightness and contrast; 0 when flat."""
    one = one - one.mean(axis=-1, keepdims=True)
    other = other - other.mean(axis=-1, keepdims=True)
    scale = np.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1))
    return np.asarray((one * other).sum(axis=-1) / np.maximum(scale, 1e-3), np.float32)


def displacement(reference: Grid, now: Grid) -> tuple[int, int, float]:
    """Where the reference's edges lie now (cells right, down), at most a third of the view off, and how alike."""
    one, other = _flattened(reference), _flattened(now)
    shape = (2 * CELLS[0], 2 * CELLS[1])
    spectrum = np.conj(np.fft.rfft2(one, shape)) * np.fft.rfft2(other, shape)
    product = np.fft.irfft2(spectrum, shape)
    ones = np.fft.rfft2(np.ones(CELLS), shape)
    energy_one = np.fft.irfft2(np.conj(np.fft.rfft2(one**2, shape)) * ones, shape)
    energy_other = np.fft.irfft2(np.conj(ones) * np.fft.rfft2(other**2, shape), shape)
    alike = product / np.sqrt(np.maximum(energy_one, 1) * np.maximum(energy_other, 1))
    alike = np.roll(alike, (CELLS[0] // 3, CELLS[1] // 3), axis=(0, 1))[
        : 2 * (CELLS[0] // 3) + 1, : 2 * (CELLS[1] // 3) + 1
    ]
    down, right = np.unravel_index(int(alike.argmax()), alike.shape)
    return int(right) - CELLS[1] // 3, int(down) - CELLS[0] // 3, float(alike[down, right])


def _flattened(edges: Grid) -> Grid:
    """Edges as they are correlated: logarithm, without the slow rise and fall over the view."""
    log = np.log1p(edges)
    smooth = log - log.mean()
    return np.asarray(
        smooth - (smooth.mean(axis=0, keepdims=True) + smooth.mean(axis=1, keepdims=True)) / 2, np.float32
    )


def _tiles_max(plane: NDArray[np.uint8] | NDArray[np.int16]) -> Grid:
    rows = plane.reshape(TILES[0], TILE_PX, LUMA_SHAPE[1]).max(axis=1)
    return np.asarray(rows.reshape(TILES[0], TILES[1], TILE_PX).max(axis=2), np.float32)


def _tiles_min(plane: NDArray[np.uint8]) -> Grid:
    rows = plane.reshape(TILES[0], TILE_PX, LUMA_SHAPE[1]).min(axis=1)
    return np.asarray(rows.reshape(TILES[0], TILES[1], TILE_PX).min(axis=2), np.float32)


def _grey_share(picture: Picture, spread: Grid, cells: Grid) -> float:
    grey = (spread <= 4) & (np.abs(tiles_of(cells) - GREY) <= 4)
    if not grey.any():
        return 0.0
    colour = np.abs(picture.u.astype(np.int16) - GREY) + np.abs(picture.v.astype(np.int16) - GREY)
    half = TILE_PX // 2
    without = colour.reshape(TILES[0], half, TILES[1], half).mean(axis=(1, 3)) <= 2
    return float((grey & without).mean())


def _repeated_share(across: NDArray[np.int16], down: NDArray[np.int16], luma: NDArray[np.int16]) -> float:
    """Rows that differ along themselves but not from the row above: a decoder that draws its last row on and on.

    Poles before a plain white sky make such rows, too: a row that is mostly white tells nothing.
    """
    below, along = down.mean(axis=1), across[1:].mean(axis=1)
    repeated = (below < 0.6) & (along > 1) & (along > 3 * below) & ((luma[1:] >= WHITE).mean(axis=1) < 0.5)
    borders = np.flatnonzero(np.diff(np.concatenate(([False], repeated, [False])).astype(np.int8)))
    lengths = borders[1::2] - borders[::2]
    return float(lengths[lengths >= _REPEATED_ROWS_LEAST].sum() / LUMA_SHAPE[0])


def _noise(luma: NDArray[np.int16]) -> float:
    bend = luma[:-2] - 2 * luma[1:-1] + luma[2:]
    mask = np.zeros(LUMA_SHAPE, np.int16)
    mask[1:-1, 1:-1] = np.abs(bend[:, :-2] - 2 * bend[:, 1:-1] + bend[:, 2:])
    return float(np.percentile(tiles_of(cell_means(mask)), 20)) * _IMMERKAER
