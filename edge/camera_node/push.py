"""A camera's own stream, not encoded again, pushed to an RTSP(S) server (RECORD): the live view."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import av.error

from edge.camera_node.camera import OPEN_WITHIN_S, READ_WITHIN_S, failed, opened
from edge.camera_node.probing import Credentials, Failure, StreamFailed, with_credentials

SEND_WITHIN_S: Final = 5.0  # a far end that takes nothing for so long has gone


class PushFailed(StreamFailed):
    """The far end of a live view refused it or went away; the camera is well."""


@dataclass(slots=True)
class Pushed:
    """What went out so far; read by other threads."""

    bytes: int = 0  # of video; RTP and RTSP add about 2 %
    frames: int = 0


def push(
    url: str,
    credentials: Credentials | None,
    to_url: str,
    to_credentials: Credentials | None,
    stop: threading.Event,
    pushed: Pushed,
    *,
    authority: Path | None = None,
    until_s: float | None = None,
) -> None:
    """Push until told to stop or until monotonic `until_s`; begins with a keyframe. Ends within 5 s of `stop`.

    `authority`: PEM file of who signed the far end's certificate; rtsps is never sent without checking it. Raises
    StreamFailed when it is the camera's fault, PushFailed when the far end's.
    """
    with opened(with_credentials(url, credentials), OPEN_WITHIN_S, READ_WITHIN_S) as camera:
        if not camera.streams.video:
            raise StreamFailed(Failure.CODEC, "the stream has no video")
        video = camera.streams.video[0]
        options = {"rtsp_transport": "tcp", "timeout": str(int(SEND_WITHIN_S * 1e6))}
        if to_url.startswith("rtsps:"):
            options |= {"tls_verify": "1"} | ({"ca_file": str(authority)} if authority else {})
        try:
            with av.open(with_credentials(to_url, to_credentials), "w", format="rtsp", options=options) as far:
                out = far.add_stream_from_template(video)
                packets = camera.demux(video)
                while not stop.is_set() and (until_s is None or time.monotonic() < until_s):
                    try:
                        packet = next(packets)
                    except StopIteration:
                        raise StreamFailed(Failure.NO_FRAMES, "the camera ended the stream") from None
                    except av.error.FFmpegError as error:
                        raise failed(error, while_reading=True) from None
                    if packet.dts is None or (not pushed.frames and not packet.is_keyframe):
                        continue
                    packet.stream = out
                    far.mux(packet)
                    pushed.frames += 1
                    pushed.bytes += packet.size
        except av.error.FFmpegError as error:
            raise PushFailed(Failure.PORT, f"the far end did not take the stream ({type(error).__name__})") from None
