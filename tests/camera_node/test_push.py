"""The live view: a camera's own stream pushed into a real RTSP server, over TLS."""

from __future__ import annotations

import datetime
import ipaddress
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.camera_node.probing import Credentials, StreamFailed
from edge.camera_node.push import Pushed, PushFailed, push
from edge.sim.cameras import PASSWORD, CameraHost, Certificate, SimCamera, SimRecorder
from edge.sim.rtsp_liar import RtspLiar

NewCamera = Callable[..., SimCamera]
SOON_S = 30.0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "live")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    made = Certificate(folder / "live.pem", folder / "live.key")
    made.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


@pytest.fixture(scope="module")
def camera(host: CameraHost) -> SimCamera:
    return host.camera("shown", keyframe_every_s=0.5)


class Pushing:
    """A push in a thread of its own; what it raised is in `raised`."""

    def __init__(self, camera: SimCamera, to: SimRecorder, credentials: Credentials, authority: Path | None) -> None:
        self.pushed = Pushed()
        self.stop = threading.Event()
        self.raised: StreamFailed | None = None
        self._run: Callable[[], None] = lambda: push(
            camera.url, credentials, to.url, credentials, self.stop, self.pushed, authority=authority
        )
        self.thread = threading.Thread(target=self._caught, name="push")
        self.thread.start()

    def _caught(self) -> None:
        try:
            self._run()
        except StreamFailed as failed:
            self.raised = failed


def until(holds: Callable[[], bool]) -> None:
    until_s = time.monotonic() + SOON_S
    while not holds():
        assert time.monotonic() < until_s
        time.sleep(0.05)


@pytest.fixture
def plain(host: CameraHost) -> Iterator[SimRecorder]:
    yield host.recorder("plain")


def test_it_goes_out_as_it_came_and_ends_when_told(
    host: CameraHost, camera: SimCamera, credentials: Credentials, certificate: Certificate
) -> None:
    far = host.recorder("over tls", tls=certificate)
    pushing = Pushing(camera, far, credentials, certificate.certificate)
    until(lambda: far.state()["frames"] >= 10 or pushing.raised is not None)
    pushing.stop.set()
    begun_s = time.monotonic()
    pushing.thread.join()
    assert pushing.raised is None
    assert time.monotonic() - begun_s < 5.0
    until(lambda: far.state()["ended"] == 1)  # nobody watches, nothing goes out
    state = far.state()
    assert 0 < state["frames"] <= pushing.pushed.frames
    assert 0.8 * pushing.pushed.bytes < state["bytes"] <= 1.2 * pushing.pushed.bytes


def test_a_far_end_that_nobody_vouches_for_gets_nothing(
    host: CameraHost, camera: SimCamera, credentials: Credentials, certificate: Certificate
) -> None:
    far = host.recorder("unknown", tls=certificate)
    pushing = Pushing(camera, far, credentials, None)
    pushing.thread.join()
    assert isinstance(pushing.raised, PushFailed)
    assert far.state()["pushes"] == pushing.pushed.frames == 0


def test_a_far_end_that_goes_away_is_not_the_cameras_fault(
    host: CameraHost, camera: SimCamera, credentials: Credentials, tmp_path: Path
) -> None:
    with CameraHost(tmp_path / "far") as other:
        far = other.recorder("gone")
        pushing = Pushing(camera, far, credentials, None)
        until(lambda: pushing.pushed.frames >= 5)
    pushing.thread.join(timeout=SOON_S)
    assert isinstance(pushing.raised, PushFailed)


def test_a_camera_that_goes_away_is_its_own_fault(
    new_camera: NewCamera, plain: SimRecorder, credentials: Credentials
) -> None:
    short = new_camera("short-lived", keyframe_every_s=0.5)
    pushing = Pushing(short, plain, credentials, None)
    until(lambda: pushing.pushed.frames >= 5)
    short.vanish()
    pushing.thread.join(timeout=SOON_S)
    assert pushing.raised is not None and not isinstance(pushing.raised, PushFailed)


def test_a_far_end_that_hangs_holds_nobody(host: CameraHost, camera: SimCamera, credentials: Credentials) -> None:
    with RtspLiar("silent") as far:
        pushing = Pushing(camera, SimRecorder(host, "silent", far.url), credentials, None)
        turns = 0
        until_s = time.monotonic() + 3.0
        while time.monotonic() < until_s:
            time.sleep(0.01)
            turns += 1
        assert turns > 30  # PyAV holds Python's lock while it waits: not in this process
        pushing.stop.set()
        begun_s = time.monotonic()
        pushing.thread.join()
        assert time.monotonic() - begun_s < 5.0


def test_no_password_is_in_the_process_list(camera: SimCamera, plain: SimRecorder, credentials: Credentials) -> None:
    pushing = Pushing(camera, plain, credentials, None)
    until(lambda: pushing.pushed.frames >= 1)
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    pushing.stop.set()
    pushing.thread.join()
    assert any(b"edge.camera_node.push" in command for command in commands)
    assert not any(quote(PASSWORD, safe="").encode() in command or PASSWORD.encode() in command for command in commands)
