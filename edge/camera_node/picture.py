"""One decoded frame at the size in which it is judged: what a camera library gives and what the judge takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

LUMA_SHAPE: Final = (360, 640)  # rows, columns; whatever the stream has is scaled to it
CHROMA_SHAPE: Final = (180, 320)  # 4:2:0, as a decoder gives it


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame in YUV 4:2:0, 8 bits: luma 0 (black) .. 255, chroma 128 where there is no colour."""

    luma: NDArray[np.uint8]
    u: NDArray[np.uint8]
    v: NDArray[np.uint8]
    width_px: int  # of the stream
    height_px: int
    corrupt: bool = False  # the decoder said that it had to guess
