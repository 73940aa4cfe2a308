"""Pictures as they come out of a camera's encoder: H.264 keyframes by the real libx264, decoded again."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import av
import numpy as np

from edge.camera_node.picture import CHROMA_SHAPE, LUMA_SHAPE, Picture


class Encoder:
    """One stream of keyframes; `quantiser` (x264's crf) 18 (fine) .. 38 (a thrifty camera)."""

    def __init__(self, quantiser: int) -> None:
        self._encoder = av.CodecContext.create("libx264", "w")
        self._encoder.width, self._encoder.height = LUMA_SHAPE[1], LUMA_SHAPE[0]
        self._encoder.pix_fmt, self._encoder.time_base, self._encoder.thread_count = "yuvj420p", Fraction(1, 1), 1
        self._encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": str(quantiser), "g": "1"}
        self._decoder = av.CodecContext.create("h264", "r")
        self._decoder.thread_count = 1
        self._number = 0

    def through(self, picture: Picture) -> Picture:
        """The picture after encoder and decoder."""
        planes = np.concatenate([picture.luma.ravel(), picture.u.ravel(), picture.v.ravel()])
        frame = av.VideoFrame.from_ndarray(planes.reshape(-1, LUMA_SHAPE[1]), format="yuvj420p")
        frame.pts = self._number
        self._number += 1
        for packet in self._encoder.encode(frame):
            for decoded in self._decoder.decode(packet):
                seen = cast("np.ndarray[tuple[int, ...], np.dtype[np.uint8]]", decoded.to_ndarray())
                high, rows = LUMA_SHAPE[0], CHROMA_SHAPE[0] // 2
                u, v = seen[high : high + rows], seen[high + rows :]
                width, height = picture.width_px, picture.height_px
                return Picture(seen[:high], u.reshape(CHROMA_SHAPE), v.reshape(CHROMA_SHAPE), width, height)
        raise RuntimeError("libx264 holds a frame back in spite of zerolatency")
