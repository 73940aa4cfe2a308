"""The cameras' streams: the only file, with push.py, that touches PyAV (FFmpeg).

A stream is read by one thread, over TCP, and stays open: packets are counted, and only the keyframe that is due is
decoded, by a decoder that lives for this one frame (a decoder kept open holds 12 MB of reference frames at 1080p).
FFmpeg's log is off and its errors, which name the URL with the password in it, never leave this file.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, cast

import av
import av.error
import av.logging
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from edge.camera_node.picture import CHROMA_SHAPE, LUMA_SHAPE, Picture
from edge.camera_node.probing import Credentials, Failure, StreamFailed, secret_free, with_credentials

MOST_PIXELS: Final = 16_000_000  # 4K has 8.3 million; a decoder takes about 3 bytes a pixel and frame
OPEN_WITHIN_S: Final = 2.4  # PyAV gives it to opening and to looking for streams, each: a stop waits 5 s at most
READ_WITHIN_S: Final = 2.0  # between two packets; FFmpeg tries twice, so a stall is seen after 4 s
KEYFRAME_WITHIN_S: Final = 30.0  # "smart" codecs of some makers send one each 10 to 20 s
JPEG_QUALITY: Final = 75
Keyframe: TypeAlias = "Packet[VideoStream]"  # as it came, not decoded
_TICK: Final = Fraction(1, 25)
# Held from decoding until the frame is let go, once a process: eight 4K decoders at once would need 300 MB, and eight
# 1080p frames that wait to be scaled took 40 MB that never came back.
one_frame: Final = threading.RLock()

av.logging.set_level(None)


@dataclass(frozen=True, slots=True)
class Rate:
    """Of the packets that came since it was last asked; None before two frames came."""

    frames_per_s: float | None
    bitrate_kbps: float | None


class Stream:
    """An open video stream; `with Stream(url) as stream: stream.keyframe()`. Raises StreamFailed everywhere.

    Opening takes at most 2 x `open_within_s`, reading ends at most 2 x `read_within_s` after the last packet or after
    `within_s`, whatever the camera does (FFmpeg tries twice, each with the whole of its time). One thread uses it.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        *,
        open_within_s: float = OPEN_WITHIN_S,
        read_within_s: float = READ_WITHIN_S,
        most_pixels: int = MOST_PIXELS,
    ) -> None:
        self.bytes = 0  # of video, as packets
        self._url = secret_free(url)
        self._most_pixels = most_pixels
        self._frames, self._counted_from_s, self._bytes_then = 0, time.monotonic(), 0
        self._container = opened(with_credentials(url, credentials), open_within_s, read_within_s, undecoded=True)
        try:
            self._video = self._chosen()
            # Of all streams: asked for one, PyAV waits for it as long as others are played, and hears no stop.
            self._packets: Generator[Packet[VideoStream]] = cast(Any, self._container.demux())
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session (TEARDOWN); may be called twice."""
        self._packets.close()
        self._container.close()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels as the stream's description says; (0, 0): it does not."""
        return self._video.codec_context.width, self._video.codec_context.height

    @property
    def codec(self) -> str:
        """FFmpeg's name of what it is encoded with: h264, hevc, mjpeg …"""
        return self._video.codec_context.name

    def keyframe(self, *, within_s: float = KEYFRAME_WITHIN_S) -> VideoFrame:
        """The next keyframe, decoded, before `within_s` is over."""
        frame = self.next_keyframe(within_s=within_s)
        if frame is None:
            raise StreamFailed(Failure.NO_FRAMES, f"no keyframe within {within_s:.0f} s")
        return frame

    def next_keyframe(self, *, within_s: float) -> VideoFrame | None:
        """The next keyframe, decoded; None when none came within `within_s`."""
        packet = self.keyframe_packet(within_s=within_s)
        return None if packet is None else self.decoded(packet)

    def keyframe_packet(self, *, within_s: float) -> Keyframe | None:
        """The next keyframe as it came; None when none came within `within_s`."""
        packets = self._counted(until_s=time.monotonic() + within_s)
        return next((packet for packet in packets if packet.is_keyframe), None)

    def decoded(self, packet: Keyframe) -> VideoFrame:
        """The picture in a keyframe of this stream; one decoder works at a time in a process (`one_frame`)."""
        with one_frame:
            frame = _decode(packet, self._video.codec_context, self._most_pixels)
        if frame is None:
            most = f"{self._most_pixels / 1e6:g} megapixels"
            raise StreamFailed(Failure.CODEC, f"a keyframe came that cannot be decoded, or has more than {most}")
        return frame

    def skip(self, for_s: float) -> None:
        """Read on and count, decode nothing."""
        for _ in self._counted(until_s=time.monotonic() + for_s):
            pass

    def rate(self) -> Rate:
        """Frames and bits a second since it was last asked."""
        now_s, frames, sent = time.monotonic(), self._frames, self.bytes - self._bytes_then
        elapsed_s = now_s - self._counted_from_s
        self._frames, self._counted_from_s, self._bytes_then = 0, now_s, self.bytes
        if frames < 2 or elapsed_s <= 0:
            return Rate(None, None)
        return Rate(frames / elapsed_s, sent * 8 / 1000 / elapsed_s)

    def _chosen(self) -> VideoStream:
        if not self._container.streams.video:
            raise StreamFailed(Failure.CODEC, "the stream has no video")
        video = self._container.streams.video[0]
        if video.codec_context is None:  # PyAV's types do not say so
            raise StreamFailed(Failure.CODEC, "the stream is of a kind that nothing here decodes")
        _refuse_large(*_size(video), most_pixels=self._most_pixels)
        return video

    def _counted(self, *, until_s: float) -> Iterator[Packet[VideoStream]]:
        while time.monotonic() < until_s:
            try:
                packet = next(self._packets)
            except StopIteration:
                raise StreamFailed(Failure.NO_FRAMES, "the camera ended the stream") from None
            except av.error.FFmpegError as error:
                raise failed(error, while_reading=True) from None
            if packet.stream_index != self._video.index:
                continue
            self._frames += 1
            self.bytes += packet.size
            yield packet


def picture(frame: VideoFrame) -> Picture:
    """The frame as it is judged: scaled to 640x360, full range (16..235 of a TV signal is stretched to 0..255)."""
    height, width = LUMA_SHAPE
    small = frame.reformat(width, height, "yuvj420p", interpolation="AREA", dst_color_range="JPEG")
    planes = cast(NDArray[np.uint8], small.to_ndarray())
    rows = CHROMA_SHAPE[0] // 2
    return Picture(
        luma=planes[:height],
        u=planes[height : height + rows].reshape(CHROMA_SHAPE),
        v=planes[height + rows :].reshape(CHROMA_SHAPE),
        width_px=frame.width,
        height_px=frame.height,
        corrupt=frame.is_corrupt,
    )


def jpeg(seen: VideoFrame | Picture, *, width_px: int | None = None, quality: int = JPEG_QUALITY) -> bytes:
    """A JPEG file of the frame, no wider than it is; quality 1 (worst) .. 100."""
    frame = _frame(seen) if isinstance(seen, Picture) else seen
    width, height = _even(frame.width, frame.height, min(width_px or frame.width, frame.width))
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuvj420p"
    context.time_base = frame.time_base or _TICK
    context.options = {"qmin": str(_scale(quality)), "qmax": str(_scale(quality))}
    small = frame.reformat(width, height, "yuvj420p", interpolation="AREA", dst_color_range="JPEG")
    small.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(small), *context.encode(None)])


def opened(url: str, open_within_s: float, read_within_s: float, *, undecoded: bool = False) -> InputContainer:
    """The session; raises StreamFailed.

    FFmpeg decodes a picture while it opens, to know its size and format where the description does not say them: a
    stream that is sent on needs that. `undecoded`: not for one whose keyframes have a decoder each, as eight 1080p
    cameras that come back together took 35 to 60 MB for it.
    """
    options = {
        "rtsp_transport": "tcp",
        "allowed_media_types": "video",
        # Half of what a stream's start costs is FFmpeg guessing what its description says anyway (2.0 s -> 0.2 s).
        "analyzeduration": "0",
        "probesize": "32",
        # Of each socket operation: PyAV's own deadlines do not hold for TEARDOWN, and some server may not read.
        "timeout": str(int(read_within_s * 1e6)),
    }
    if undecoded:
        options["skip_frame"] = "all"
    try:
        return av.open(url, mode="r", options=options, timeout=(open_within_s, read_within_s))
    except av.error.FFmpegError as error:
        raise failed(error) from None
    except ValueError:
        raise StreamFailed(Failure.PATH, "the stream's URL cannot be read") from None


def failed(error: av.error.FFmpegError, *, while_reading: bool = False) -> StreamFailed:
    """What FFmpeg's error means here; its text is not used, it may hold the URL."""
    if isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)):
        return StreamFailed(Failure.AUTHENTICATION, "user or password refused")
    if isinstance(error, (av.error.HTTPClientError, av.error.HTTPServerError)):
        return StreamFailed(Failure.PATH, f"the camera does not give this stream ({type(error).__name__})")
    if isinstance(error, (av.error.MemoryError, av.error.PatchWelcomeError, av.error.LookupError)):
        return StreamFailed(Failure.CODEC, f"the stream is of a kind that cannot be read ({type(error).__name__})")
    if while_reading:
        return StreamFailed(Failure.NO_FRAMES, f"the stream stalled or broke ({type(error).__name__})")
    return StreamFailed(Failure.PORT, f"the RTSP server does not answer as one ({type(error).__name__})")


def _size(video: VideoStream) -> tuple[int, int]:
    return video.codec_context.width, video.codec_context.height


def _refuse_large(width: int, height: int, *, most_pixels: int) -> None:
    if width * height > most_pixels:
        raise StreamFailed(Failure.CODEC, f"the picture of {width}x{height} is larger than {most_pixels} pixels")


def _decode(packet: Packet[VideoStream], stream: VideoCodecContext, most_pixels: int) -> VideoFrame | None:
    """The frame of one keyframe, by a decoder that is made for it; None when it holds no picture."""
    try:
        decoder = cast(VideoCodecContext, av.CodecContext.create(stream.codec.name, "r"))
        decoder.extradata = stream.extradata
        decoder.thread_count = 1
        decoder.skip_frame = "NONKEY"
        decoder.options = {"max_pixels": str(most_pixels)}  # also when the size is only said in the stream itself
        for frame in [*decoder.decode(packet), *decoder.decode(None)]:
            return frame
    except (av.error.FFmpegError, ValueError):
        return None
    return None


def _frame(seen: Picture) -> VideoFrame:
    planes = [plane.reshape(-1, LUMA_SHAPE[1]) for plane in (seen.luma, seen.u, seen.v)]
    return VideoFrame.from_ndarray(np.ascontiguousarray(np.concatenate(planes)), format="yuvj420p")


def _even(width: int, height: int, wanted_width: int) -> tuple[int, int]:
    """The size at `wanted_width` in the frame's own shape, in whole chroma samples."""
    return max(2, wanted_width // 2 * 2), max(2, round(height * wanted_width / width) // 2 * 2)


def _scale(quality: int) -> int:
    """FFmpeg's quantiser scale (31 worst .. 2) of a quality of 1 (worst) .. 100."""
    return round(31 - (max(1, min(100, quality)) - 1) * 29 / 99)
