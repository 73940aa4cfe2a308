"""Video files as pictures: the only file beside the camera's that touches the decoder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av

from edge.camera_node.camera import picture
from edge.camera_node.picture import Picture
from wire.errors import PantauError


class ClipUnreadable(PantauError, OSError):
    """A file that is not there, is no video, or holds no picture."""


def pictures(path: Path, *, every_s: float) -> Iterator[tuple[float, Picture]]:
    """(video time in seconds from the first frame, picture), the first one and then one each `every_s`.

    A damaged packet is left out, and the next picture counts as corrupt; raises ClipUnreadable.
    """
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ClipUnreadable(f"{path}: no video in it")
            video = container.streams.video[0]
            video.thread_type = "AUTO"
            rate = float(video.average_rate or video.guessed_rate or 25)
            first_s: float | None = None
            due_s, frames, damaged = 0.0, 0, False
            for packet in container.demux(video):
                try:
                    decoded = packet.decode()
                except av.error.InvalidDataError:
                    damaged = True
                    continue
                for frame in decoded:
                    time_s = float(frame.time) if frame.time is not None else frames / rate
                    frames += 1
                    first_s = time_s if first_s is None else first_s
                    if time_s - first_s + 1e-6 >= due_s:
                        seen = picture(frame)
                        yield time_s - first_s, replace(seen, corrupt=damaged or seen.corrupt)
                        due_s, damaged = max(due_s + every_s, time_s - first_s), False
            if not frames:
                raise ClipUnreadable(f"{path}: no picture in it can be decoded")
    except (av.error.FFmpegError, OSError) as error:
        if isinstance(error, ClipUnreadable):
            raise
        raise ClipUnreadable(f"{path}: {error.strerror or error}") from error
