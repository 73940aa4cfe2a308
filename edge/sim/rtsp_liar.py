"""An RTSP server that lies: the faults that no sound server can be brought to make."""

from __future__ import annotations

import base64
import itertools
import random
import socket
import struct
import threading
from types import TracebackType
from typing import Final, Literal, Self

Lie = Literal[
    "silent",
    "endless_headers",
    "dripped_headers",
    "endless_body",
    "garbage",
    "huge",
    "no_video",
    "no_decoder",
    "second_track",
    "deaf",
    "not_rtsp",
    "locked",
]
HUGE: Final = (6720, 4480)  # 30 megapixels
DEAF_AFTER: Final = 800  # packets, each answered: by then everything between both ends is full
_SDP: Final = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=liar\r\nt=0 0\r\nm={media} 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 {codec}\r\na=control:track1\r\n"
)
_SECOND_TRACK: Final = "m=video 0 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=control:track2\r\n"
_PARAMETERS, _KEYFRAME, _SLICE = (0x67, 0x68), 0x65, 0x41  # NAL units: SPS and PPS, IDR slice, slice (H.264 §7.4.1)


class RtspLiar:
    """`with RtspLiar(lie) as liar:` serves any number of clients at `liar.url`, each with the same lie.

    `shown` counts the requests that a user and a password came with; one that is "locked" refuses all of them.
    """

    def __init__(self, lie: Lie, *, seed: int = 1) -> None:
        self.shown = 0
        self._lie, self._seed = lie, seed
        self._listener = socket.create_server(("127.0.0.1", 0))
        if lie == "deaf":
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self._listener.settimeout(0.1)
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._accept, name="rtsp-liar")]
        self.url: Final = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/stream"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in list(self._threads):
            thread.join()

    def _accept(self) -> None:
        with self._listener:
            while not self._ended.is_set():
                try:
                    client, _ = self._listener.accept()
                except TimeoutError:
                    continue
                client.settimeout(0.1)
                thread = threading.Thread(target=self._talk, args=(client,), name="rtsp-liar-client")
                self._threads.append(thread)
                thread.start()

    def _talk(self, client: socket.socket) -> None:
        with client:
            try:
                while not self._ended.is_set() and (request := self._request(client)) is not None:
                    self._answer(client, request)
            except OSError:
                return  # the client has had enough

    def _request(self, client: socket.socket) -> str | None:
        heard = b""
        while not self._ended.is_set() and b"\r\n\r\n" not in heard:
            try:
                part = client.recv(4096)
            except TimeoutError:
                continue
            if not part:
                return None
            heard += part
        return heard.decode(errors="replace")

    def _answer(self, client: socket.socket, request: str) -> None:
        self.shown += "\nauthorization:" in request.lower()
        match self._lie:
            case "silent":
                self._ended.wait()
            case "not_rtsp":
                client.sendall(b"220 mail.example.org ESMTP\r\n" * 10)
            case "endless_headers":
                self._flood(client, b"X-More: " + b"x" * 1000 + b"\r\n")
            case "dripped_headers":
                client.sendall(b"RTSP/1.0 200 OK\r\nX-Slow: ")
                while not self._ended.wait(0.2):
                    client.sendall(b"x")
            case _:
                self._session(client, request)

    def _session(self, client: socket.socket, request: str) -> None:
        verb = request.split(" ", 1)[0]
        number = request.lower().partition("cseq:")[2].split("\r\n", 1)[0].strip()
        if self._lie == "locked":
            ways = 'WWW-Authenticate: Digest realm="liar", nonce="1"\r\nWWW-Authenticate: Basic realm="liar"\r\n'
            client.sendall(f"RTSP/1.0 401 Unauthorized\r\nCSeq: {number}\r\n{ways}\r\n".encode())
            return
        session = "1;timeout=1" if self._lie == "deaf" else "1"  # so short that each packet is answered by a keep-alive
        head = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: {session}\r\n"
        if verb == "OPTIONS":
            client.sendall((head + "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n").encode())
        elif verb == "DESCRIBE":
            video = self._lie != "no_video"
            codec = {"no_video": "PCMU/8000", "no_decoder": "NOSUCH/90000"}.get(self._lie, "H264/90000")
            sdp = _SDP.format(media="video" if video else "audio", codec=codec)
            if self._lie == "second_track":
                sdp += _SECOND_TRACK
            if self._lie == "huge":
                sdp += f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={_parameter_sets(*HUGE)}\r\n"
            length = 2_000_000_000 if self._lie == "endless_body" else len(sdp)
            client.sendall(f"{head}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}".encode())
            if self._lie == "endless_body":
                self._flood(client, b"a=x:" + b"y" * 4000 + b"\r\n")
        elif verb == "SETUP":
            channels = request.partition("interleaved=")[2].split("\r\n", 1)[0]
            transport = f"RTP/AVP/TCP;unicast;interleaved={channels}"
            client.sendall(f"{head}Transport: {transport}\r\n\r\n".encode())
        elif verb == "PLAY":
            client.sendall(f"{head}\r\n".encode())
            self._play(client)
        else:
            client.sendall(f"{head}\r\n".encode())

    def _flood(self, client: socket.socket, line: bytes) -> None:
        """Faster than any camera, not faster than a 100 Mbit/s port."""
        if self._lie == "endless_headers":
            client.sendall(b"RTSP/1.0 200 OK\r\n")
        while not self._ended.wait(0.001):
            client.sendall(line * 10)

    def _play(self, client: socket.socket) -> None:
        """NAL units that say they are parameter sets, keyframes and slices, filled with noise; answers are not read."""
        dice = random.Random(self._seed)
        channel = 2 if self._lie == "second_track" else 0
        kinds = (_SLICE,) if self._lie == "deaf" else (*_PARAMETERS, _KEYFRAME, _SLICE)
        for sequence, kind in enumerate(itertools.cycle(kinds)):
            if self._ended.wait(0.002 if self._lie == "deaf" else 0.005):
                return
            if self._lie == "deaf" and sequence > DEAF_AFTER:
                self._ended.wait()
            payload = bytes([kind]) + dice.randbytes(dice.randrange(20, 1200))
            head = struct.pack(
                ">BBHII", 0x80, 0x80 | 96 + channel // 2, sequence & 0xFFFF, sequence * 900 & 0xFFFFFFFF, 7
            )
            client.sendall(b"$" + bytes([channel]) + struct.pack(">H", len(head + payload)) + head + payload)


def _parameter_sets(width_px: int, height_px: int) -> str:
    """SPS and PPS of a baseline stream of that size, as SDP has them (H.264 §7.3.2.1, RFC 6184 §8.1)."""
    size = _ue(width_px // 16 - 1) + _ue(height_px // 16 - 1)
    sps = f"{66:08b}{0:08b}{62:08b}" + _ue(0) + _ue(0) + _ue(2) + _ue(1) + "0" + size + "1100"
    pps = _ue(0) + _ue(0) + "00" + _ue(0) + _ue(0) + _ue(0) + "000" + _ue(0) + _ue(0) + _ue(0) + "000"
    units = (bytes([kind]) + _bytes(bits + "1") for kind, bits in ((0x67, sps), (0x68, pps)))
    return ",".join(base64.b64encode(unit).decode() for unit in units)


def _ue(value: int) -> str:
    """Exp-Golomb (H.264 §9.1)."""
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


def _bytes(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")
