"""A camera's own stream, not encoded again, pushed to an RTSP(S) server (RECORD): the live view.

It runs in a process of its own, for as long as somebody watches: PyAV holds Python's lock while it opens the far end,
so one that hangs would hold every camera's verdict with it. The process ends with its standard input, which brings its
order (passwords are in no argument list), and is killed when it does not.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import av.error

from edge.camera_node.camera import OPEN_WITHIN_S, READ_WITHIN_S, failed, opened
from edge.camera_node.probing import Credentials, Failure, Stop, StreamFailed, with_credentials

SEND_WITHIN_S: Final = 5.0  # a far end that takes nothing for so long has gone
TELL_EVERY_S: Final = 0.5
FAREWELL_S: Final = 2.0  # for TEARDOWN on both sides, before it is killed
_TURN_S: Final = 0.2


class PushFailed(StreamFailed):
    """The far end of a live view refused it or went away; the camera is well."""


@dataclass(slots=True)
class Pushed:
    """What went out so far; other threads may read it."""

    bytes: int = 0  # of video; RTP and RTSP add about 2 %
    frames: int = 0


def push(
    url: str,
    credentials: Credentials | None,
    to_url: str,
    to_credentials: Credentials | None,
    stop: Stop,
    pushed: Pushed,
    *,
    authority: Path | None = None,
    until_s: float | None = None,
) -> None:
    """Push until told to stop or until monotonic `until_s`; begins with a keyframe. Ends within 3 s of `stop`.

    `authority`: PEM file of who signed the far end's certificate; rtsps is never sent without checking it. Raises
    StreamFailed when it is the camera's fault, PushFailed when the far end's.
    """
    order = {
        "from": with_credentials(url, credentials),
        "to": with_credentials(to_url, to_credentials),
        "authority": str(authority) if authority else None,
    }
    child = subprocess.Popen(
        [sys.executable, "-m", "edge.camera_node.push"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # whatever FFmpeg or a traceback says there may hold a password
    )
    told = _Told(child, pushed)
    try:
        told.order(order)
        while not stop.is_set() and (until_s is None or time.monotonic() < until_s):
            if not told.listened(_TURN_S):
                told.judge()
                return
    finally:
        told.end()


class _Told:
    """The parent's end: what the process says, line by line."""

    def __init__(self, child: subprocess.Popen[bytes], pushed: Pushed) -> None:
        self._child, self._pushed = child, pushed
        self._heard = b""
        self._last: dict[str, Any] = {}

    def order(self, order: dict[str, Any]) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died already: that is judged
            self._child.stdin.write(json.dumps(order).encode() + b"\n")
            self._child.stdin.flush()

    def listened(self, for_s: float) -> bool:
        """Take in what was said meanwhile; False when it has said its last."""
        assert self._child.stdout is not None
        if not select.select([self._child.stdout], [], [], for_s)[0]:
            return True
        part = os.read(self._child.stdout.fileno(), 65_536)
        *lines, self._heard = (self._heard + part).split(b"\n")
        for line in lines:
            self._last = json.loads(line)
            self._pushed.bytes, self._pushed.frames = self._last["bytes"], self._last["frames"]
        return bool(part)

    def judge(self) -> None:
        """Raise what it died of; nothing when it ended in order."""
        failure = self._last.get("failure")
        if failure is None:
            raise PushFailed(Failure.PORT, "the process that pushed the stream died")
        kind = PushFailed if self._last["far"] else StreamFailed
        raise kind(Failure(failure), self._last["detail"])

    def end(self) -> None:
        """No more input is its sign to end; what it pushed last is still counted."""
        assert self._child.stdin is not None and self._child.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.close()
        until_s = time.monotonic() + FAREWELL_S
        while (left_s := until_s - time.monotonic()) > 0 and self.listened(left_s):
            pass
        self._child.kill()
        self._child.wait()
        self._child.stdout.close()


def _remux(source: str, to: str, authority: str | None, stop: threading.Event, pushed: Pushed) -> None:
    """The process's own part; its calls to the far end hold Python's lock."""
    options = {"rtsp_transport": "tcp", "timeout": str(int(SEND_WITHIN_S * 1e6))}
    if to.startswith("rtsps:"):
        options |= {"tls_verify": "1"} | ({"ca_file": authority} if authority else {})
    with opened(source, OPEN_WITHIN_S, READ_WITHIN_S) as camera:
        if not camera.streams.video:
            raise StreamFailed(Failure.CODEC, "the stream has no video")
        video = camera.streams.video[0]
        try:
            with av.open(to, "w", format="rtsp", options=options) as far:
                out = far.add_stream_from_template(video)
                packets = camera.demux(video)
                while not stop.is_set():
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


def main() -> int:
    """Read the order, push until standard input ends, and tell each half second how much went out."""
    order = json.loads(sys.stdin.readline())
    stop, over, pushed = threading.Event(), threading.Event(), Pushed()

    def until_told() -> None:
        while not over.is_set() and not select.select([sys.stdin], [], [], _TURN_S)[0]:
            pass
        stop.set()

    def tell(**more: Any) -> None:
        sys.stdout.write(json.dumps({"bytes": pushed.bytes, "frames": pushed.frames, **more}) + "\n")
        sys.stdout.flush()

    def keep_telling() -> None:
        while not over.wait(TELL_EVERY_S):
            tell()

    threads = [threading.Thread(target=keep_telling), threading.Thread(target=until_told)]
    for thread in threads:
        thread.start()
    failure: StreamFailed | None = None
    try:
        _remux(order["from"], order["to"], order["authority"], stop, pushed)
    except StreamFailed as error:
        failure = error
    finally:
        over.set()
        for thread in threads:
            thread.join()
    if failure is None:
        tell()
        return 0
    tell(failure=failure.failure.value, detail=failure.detail, far=isinstance(failure, PushFailed))
    return 1


if __name__ == "__main__":
    # As a module of its own name, so that its classes are those that others raise and catch.
    from edge.camera_node import push as _push

    sys.exit(_push.main())
