"""What a simulated camera looks at: a street and a sheet of rain, drawn from a seed, as PNG files."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path
from typing import Final

MARGIN: Final = 1.25  # larger than the frame, so that a displaced camera sees something else
_CLEAR: Final = b"\0\0\0\0"


class _Sheet:
    """Rows of RGBA pixels."""

    def __init__(self, width: int, height: int, colour: bytes) -> None:
        self.width, self.height = width, height
        self.rows = [bytearray(colour * width) for _ in range(height)]

    def box(self, left: int, top: int, right: int, bottom: int, colour: tuple[int, int, int]) -> None:
        left, right = max(0, left), min(self.width, right)
        if left < right:
            for row in self.rows[max(0, top) : max(0, bottom)]:
                row[left * 4 : right * 4] = bytes((*colour, 255)) * (right - left)

    def dot(self, x: int, y: int, colour: bytes) -> None:
        if 0 <= x < self.width and 0 <= y < self.height:
            self.rows[y][x * 4 : x * 4 + 4] = colour

    def png(self) -> bytes:
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 6, 0, 0, 0)  # 8 bits, RGBA
        pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in self.rows), 1)
        return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def street(path: Path, width_px: int, height_px: int, seed: int) -> None:
    """Draw sky, houses with windows, trees, a road with grain and marks, for frames of that size."""
    dice = random.Random(seed)
    width, height = int(width_px * MARGIN), int(height_px * MARGIN)
    sheet = _Sheet(width, height, bytes((150, 180, 205, 255)))
    horizon, road = int(height * 0.38), int(height * 0.5)
    _houses(sheet, dice, horizon, road)
    sheet.box(0, road, width, height, (85, 85, 88))
    for y in range(road, height):  # asphalt has grain; out of focus it has none
        for _ in range(width // 8):
            grain = dice.randrange(60, 115)
            sheet.dot(dice.randrange(width), y, bytes((grain, grain, grain, 255)))
    for lane in (0.62, 0.78):
        y = int(height * lane)
        for left in range(0, width, width // 14):
            sheet.box(left, y, left + width // 28, y + max(2, height // 90), (225, 225, 220))
    for _ in range(5):
        at, wide = dice.randrange(width), width // 30
        sheet.box(at, horizon, at + max(2, wide // 5), road + height // 20, (70, 50, 35))
        sheet.box(at - wide // 2, horizon - wide, at + wide, horizon + wide // 2, (40, 95, 45))
    path.write_bytes(sheet.png())


def rain(path: Path, width_px: int, height_px: int, seed: int) -> None:
    """Draw streaks on a clear sheet, twice as high as the frame so that it can fall through it."""
    dice = random.Random(seed)
    sheet = _Sheet(width_px, 2 * height_px, _CLEAR)
    for _ in range(width_px // 2):
        x, y = dice.randrange(width_px), dice.randrange(height_px)
        for step in range(dice.randrange(height_px // 30 + 2, height_px // 10 + 4)):
            for top in (0, height_px):  # the lower half is the upper one again: falling has no seam
                sheet.dot(x + step // 5, top + (y + step) % height_px, bytes((225, 230, 235, 170)))
    path.write_bytes(sheet.png())


def _houses(sheet: _Sheet, dice: random.Random, horizon: int, road: int) -> None:
    x, step = 0, max(6, sheet.width // 60)
    while x < sheet.width:
        wide, tall = dice.randrange(sheet.width // 16, sheet.width // 7), dice.randrange(horizon // 3, horizon)
        shade = dice.randrange(80, 190)
        wall = (shade, shade - dice.randrange(40), shade - dice.randrange(60))
        sheet.box(x, horizon - tall, x + wide, road, wall)
        for left in range(x + step // 2, x + wide - step, step):
            for top in range(horizon - tall + step // 2, road - step, step):
                glass = dice.choice(((40, 50, 70), (90, 110, 130), (210, 190, 120)))
                sheet.box(left, top, left + step // 2, top + step // 2, glass)
        x += wide


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
