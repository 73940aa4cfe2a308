"""Simulated cameras: real RTSP with digest authentication and real H.264, and verbs that real cameras lack.

`with CameraHost(folder) as host: camera = host.camera("gate")` runs one process of the system's Python with GStreamer
(edge/sim/rtsp_server.py); packaging/need-camera.sh installs what it needs.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from edge.sim.onvif_device import OnvifDevice
from edge.sim.street import rain, street

SYSTEM_PYTHON: Final = "/usr/bin/python3"  # gi is a package of the distribution
USER: Final = "viewer"
PASSWORD: Final = "s3cret:p@ss/ü %"  # everything that URLs get wrong
ANSWER_WITHIN_S: Final = 60.0  # a busy machine draws and starts slowly
_PROGRAM: Final = Path(__file__).with_name("rtsp_server.py")
_HINT: Final = "type: sh packaging/need-camera.sh"


class NoCameras(OSError):
    """This machine cannot run simulated cameras; says what to install."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files of a TLS server."""

    certificate: Path
    key: Path


class CameraHost:
    """The process that all simulated cameras of a test live in; files go into `folder`. Raises NoCameras."""

    def __init__(self, folder: Path, *, address: str = "127.0.0.1", inside: tuple[str, ...] = ()) -> None:
        if not Path(SYSTEM_PYTHON).exists():
            raise NoCameras(f"simulated cameras need {SYSTEM_PYTHON} with GStreamer; {_HINT}")
        self.address: Final = address
        self._folder = folder
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [
                *inside,
                SYSTEM_PYTHON,
                "-I",
                str(_PROGRAM),
                str(folder),
            ],  # the folder: to be found in a list of processes
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "cameras.log").open("wb"),
            env={**os.environ, "GST_REGISTRY_UPDATE": "no", "NO_AT_BRIDGE": "1"},
            start_new_session=True,  # Ctrl-C is for the one who started us, who ends it in order
        )
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """End the process and all its cameras."""
        self.wake()
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def hang(self) -> None:
        """SIGSTOP: every camera of this host keeps its connections and says nothing more."""
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def camera(
        self,
        name: str,
        *,
        width_px: int = 640,
        height_px: int = 360,
        frames_per_s: int = 10,
        keyframe_every_s: float = 1.0,
        bitrate_kbps: int | None = None,
        seed: int = 1,
        clip: Path | None = None,
        clock: bool = False,
        plain: bool = False,
        port: int = 0,
        user: str = USER,
        password: str = PASSWORD,
    ) -> SimCamera:
        """Set up a camera that looks at a street drawn from `seed`, or plays `clip` (H.264 in MP4); `plain`: bars.

        `bitrate_kbps` None: constant quality, so that a frozen picture is the same to the bit; with a bit rate, as real
        cameras have one, the encoder's own changes stay.
        """
        scenery: dict[str, str] = {"clip": str(clip)} if clip else {}
        if not plain:
            scenery |= self._drawn(width_px, height_px, seed)
        order = {
            "scene": "plain" if plain else "street",
            "width": width_px,
            "height": height_px,
            "frames_per_s": frames_per_s,
            "keyframe_every_s": keyframe_every_s,
            "bitrate_kbps": bitrate_kbps,
            "seed": seed,
            "clock": clock,
            **scenery,
        }
        return SimCamera(self, name, self._added(name, "/stream1", order, port, user, password), user, password)

    def recorder(
        self, name: str, *, tls: Certificate | None = None, port: int = 0, user: str = USER, path: str = "/live"
    ) -> SimRecorder:
        """Set up a server that takes what is pushed to it; `user` '': what lets in is its path."""
        order: dict[str, Any] = {"scene": "record"}
        if tls:
            order |= {"certificate": str(tls.certificate), "key": str(tls.key)}
        port = self._added(name, path, order, port, user, PASSWORD)
        return SimRecorder(self, name, f"rtsp{'s' if tls else ''}://{self.address}:{port}{path}")

    def order(self, verb: str, name: str, **words: Any) -> dict[str, Any]:
        """Give one order and wait for its answer; raises NoCameras when the process has died, else ValueError."""
        with self._lock:
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(json.dumps({"verb": verb, "camera": name, **words}).encode() + b"\n")
                self._process.stdin.flush()
            except OSError as error:
                raise NoCameras(
                    f"the simulated cameras have died ({error}); see {self._folder / 'cameras.log'}"
                ) from error
            return self._answer()

    def _added(self, name: str, path: str, order: dict[str, Any], port: int, user: str, password: str) -> int:
        where = {"path": path, "address": self.address, "port": port, "user": user, "password": password}
        return int(self.order("add", name, **order, **where)["port"])

    def _drawn(self, width_px: int, height_px: int, seed: int) -> dict[str, str]:
        drawn = {}
        for name, draw in (("street", street), ("rain", rain)):
            path = self._folder / f"{name}-{width_px}x{height_px}-{seed}.png"
            if not path.exists():
                draw(path, width_px, height_px, seed)
            drawn[name] = str(path)
        return drawn

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], ANSWER_WITHIN_S)[0]:
            raise NoCameras(f"the simulated cameras did not answer within {ANSWER_WITHIN_S:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            log = (self._folder / "cameras.log").read_text(errors="replace").strip().rpartition("\n")[2]
            raise NoCameras(
                f"simulated cameras need GStreamer and its RTSP server ({log or 'no reason given'}); {_HINT}"
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise NoCameras(answer["error"])
        return answer


class SimCamera:
    """One camera of a host. Each verb holds until `recover()`, `come_back()` or `right_password()`."""

    def __init__(self, host: CameraHost, name: str, port: int, user: str, password: str) -> None:
        self.name: Final = name
        self.port: Final = port
        self.user: Final = user
        self.password: Final = password
        self._host = host

    @property
    def url(self) -> str:
        """Without user and password."""
        return f"rtsp://{self._host.address}:{self.port}/stream1"

    def onvif(self, *, serial_number: str = "SIM0001", boot_s: float = 2.0, events: bool = True) -> OnvifDevice:
        """Its ONVIF side, to be entered; a reboot takes the stream away for `boot_s` and cures freeze and stall."""

        def rebooted() -> None:
            self.vanish()
            time.sleep(boot_s)
            self.recover()
            self.come_back()

        return OnvifDevice(
            self.url,
            self.user,
            self.password,
            address=self._host.address,
            serial_number=serial_number,
            events=events,
            rebooted=rebooted,
        )

    def freeze(self) -> None:
        """The same frame again and again; a burnt-in clock goes on."""
        self._host.order("freeze", self.name)

    def darken(self, by: float = 0.7) -> None:
        """0: as it is .. 1: black."""
        self._host.order("darken", self.name, by=by)

    def overexpose(self) -> None:
        self._host.order("overexpose", self.name)

    def cover(self) -> None:
        self._host.order("cover", self.name)

    def defocus(self, by: int = 16) -> None:
        """A point becomes a blot of `by` pixels."""
        self._host.order("defocus", self.name, by=by)

    def displace(self, x_px: int = 80, y_px: int = 40) -> None:
        """The camera was turned: up to a quarter of the picture each way there is a street to be seen."""
        self._host.order("displace", self.name, x=x_px, y=y_px)

    def stall(self) -> None:
        """The session stands, no frame comes."""
        self._host.order("stall", self.name)

    def drop_to(self, frames_per_s: float) -> None:
        self._host.order("drop_to", self.name, frames_per_s=frames_per_s)

    def night(self) -> None:
        """Dark, no colour, noise: not a fault."""
        self._host.order("night", self.name)

    def rain(self) -> None:
        """Streaks and less contrast: not a fault."""
        self._host.order("rain", self.name)

    def recover(self) -> None:
        """All is well again with the picture."""
        self._host.order("recover", self.name)

    def vanish(self) -> None:
        """Nobody listens at its port any more; sessions end."""
        self._host.order("vanish", self.name)

    def come_back(self) -> None:
        """At the same port."""
        self._host.order("come_back", self.name)

    def close(self) -> None:
        """It is no more, and costs nothing more."""
        self._host.order("close", self.name)

    def refused(self) -> int:
        """Times that a password was shown to it which is not its own."""
        return int(self._host.order("state", self.name)["refused"])

    def kick(self) -> None:
        """End every session."""
        self._host.order("kick", self.name)

    def wrong_password(self, right: str = "changed by somebody") -> None:
        """Somebody changed the password."""
        self._host.order("wrong_password", self.name, right=right)

    def right_password(self) -> None:
        self._host.order("right_password", self.name)


class SimRecorder:
    """Where a live view is pushed to."""

    def __init__(self, host: CameraHost, name: str, url: str) -> None:
        self.name: Final = name
        self.url: Final = url
        self._host = host

    def state(self) -> dict[str, int]:
        """frames, bytes, pushes (begun) and ended so far."""
        return self._host.order("state", self.name)


def missing() -> str | None:
    """Why this machine has no simulated cameras, None when it has; says what to type."""
    if shutil.which(SYSTEM_PYTHON) is None:
        return f"simulated cameras need {SYSTEM_PYTHON}; {_HINT}"
    probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if subprocess.run([SYSTEM_PYTHON, "-I", "-c", probe], capture_output=True, check=False).returncode:
        return f"simulated cameras need GStreamer's RTSP server; {_HINT}"
    return None
