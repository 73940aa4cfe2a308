"""One camera, one thread: real servers, hanging beside healthy ones."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.camera_node.eye import Eye, Sight, Taken
from edge.camera_node.onvif import OnvifCamera
from edge.camera_node.probing import Credentials, Failure, Outcome
from edge.camera_node.tries import Tries
from edge.sim.cameras import CameraHost, SimCamera, missing
from edge.sim.rtsp_liar import Lie, RtspLiar

NewCamera = Callable[..., SimCamera]
SOON_S = 40.0


class Watch:
    """Eyes that run, and what they saw."""

    def __init__(self) -> None:
        self.seen: queue.Queue[Outcome | Taken] = queue.Queue()
        self.kept: list[Outcome] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def open(self, sight: Sight, credentials: Credentials, **more: object) -> Eye:
        eye = Eye(sight, lambda: credentials, self.seen, **more)  # type: ignore[arg-type]
        self._threads.append(threading.Thread(target=eye.run, args=(self._stop,), name=f"eye-{sight.name}"))
        self._threads[-1].start()
        return eye

    def until(self, failure: Failure | None, camera: str) -> Outcome:
        """The next outcome of this camera that is like that."""
        until_s = time.monotonic() + SOON_S
        while (left_s := until_s - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                one = self.seen.get(timeout=left_s)
                if isinstance(one, Outcome):
                    self.kept.append(one)
                if isinstance(one, Outcome) and one.camera == camera and one.failure is failure:
                    return one
        raise AssertionError(f"{camera} was never {failure}")

    def close(self, within_s: float | None = None) -> float:
        """Stop; how long that took, in seconds, or `within_s` when it takes longer."""
        begun_s = time.monotonic()
        self._stop.set()
        for thread in self._threads:
            thread.join(within_s)
        return time.monotonic() - begun_s


@pytest.fixture
def watch() -> Iterator[Watch]:
    watching = Watch()
    yield watching
    watching.close()


def sight(camera: SimCamera, **more: object) -> Sight:
    settings: dict[str, object] = {"every_s": 0.3, "again_s": 0.3, **more}
    return Sight(camera.name, camera.url, **settings)  # type: ignore[arg-type]


def test_it_says_what_happens_to_its_camera(new_camera: NewCamera, watch: Watch, credentials: Credentials) -> None:
    camera = new_camera("lives", keyframe_every_s=0.3)
    eye = watch.open(sight(camera), credentials, serial=lambda: "B2")
    well = watch.until(None, "lives")
    assert well.picture is not None
    assert well.serial_number == "B2"
    camera.vanish()
    watch.until(Failure.PORT, "lives")
    camera.come_back()
    assert watch.until(None, "lives").frames_per_s is None or eye.opened >= 2
    camera.stall()
    watch.until(Failure.NO_FRAMES, "lives")
    camera.recover()
    watch.until(None, "lives")
    assert eye.failed[Failure.NO_FRAMES] >= 1


def test_a_stream_that_nothing_decodes_is_a_failure_and_the_eye_looks_on(watch: Watch) -> None:
    with RtspLiar("no_decoder") as liar:
        eye = watch.open(Sight("odd", liar.url, again_s=0.1), Credentials("viewer", "x"))
        for _ in range(3):
            watch.until(Failure.CODEC, "odd")
        assert eye.opened == 0


@pytest.mark.parametrize("lie", ["second_track", "deaf"])
def test_a_server_that_plays_what_nobody_asked_for_or_reads_nothing_holds_no_eye(watch: Watch, lie: Lie) -> None:
    with RtspLiar(lie) as liar:
        eye = watch.open(Sight("odd", liar.url), Credentials("viewer", "x"))
        until_s = time.monotonic() + SOON_S
        while not eye.opened and time.monotonic() < until_s:
            time.sleep(0.05)
        time.sleep(6.0)  # by then all that lies between the two is full
        assert eye.opened
        assert watch.close(5.0 + 3.0) < 5.0


def test_what_nobody_foresaw_is_a_failure_and_the_eye_looks_on(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "hunter2hunter2"

    def raising(url: str, *_: object) -> None:
        raise AttributeError(f"{url} {secret}")

    monkeypatch.setattr("edge.camera_node.eye.Stream", raising)
    tries = Tries()
    eye = watch.open(Sight("odd", "rtsp://127.0.0.1:9/x", again_s=0.1), Credentials("viewer", secret), tries=tries)
    for _ in range(3):
        assert watch.until(Failure.CODEC, "odd").detail == "something nobody foresaw (AttributeError)"
    assert eye.failed[Failure.CODEC] >= 3
    assert caplog.text.count("AttributeError") == 1 and "test_eye.py" in caplog.text and secret not in caplog.text
    watch.close()
    assert tries.claim(Credentials("viewer", secret)), "nobody still tries"


def test_slow_frames_come_with_their_picture(new_camera: NewCamera, watch: Watch, credentials: Credentials) -> None:
    camera = new_camera("slow", keyframe_every_s=0.4)
    camera.drop_to(2)
    watch.open(sight(camera, every_s=2.0, expected_frames_per_s=10.0), credentials)
    late = watch.until(Failure.SLOW_FRAMES, "slow")
    assert late.picture is not None and "of 10" in late.detail


def test_a_hanging_camera_delays_no_other(
    new_camera: NewCamera, watch: Watch, credentials: Credentials, tmp_path: Path
) -> None:
    healthy = new_camera("healthy", keyframe_every_s=0.3)
    with CameraHost(tmp_path / "other") as other:
        hanging = other.camera("hanging", keyframe_every_s=0.3)
        watch.open(sight(hanging), credentials)
        watch.open(sight(healthy), credentials)
        watch.until(None, "hanging")
        other.hang()
        apart_s = []
        stopped_s = last_s = time.monotonic()
        while time.monotonic() - stopped_s < 6.0:
            apart_s.append(watch.until(None, "healthy").at_s - last_s)
            last_s += apart_s[-1]
        assert Failure.NO_FRAMES in {one.failure for one in watch.kept if one.camera == "hanging"}
        assert max(apart_s) < 3.5  # a stall is found after 4 s: nobody waited for it
        assert watch.close() < 5.0 + 3.0
        other.wake()


def test_a_wrong_password_is_not_hammered(new_camera: NewCamera, watch: Watch, credentials: Credentials) -> None:
    camera = new_camera("guarded")
    tries = Tries()
    watch.open(sight(camera), Credentials("viewer", "wrong"), tries=tries)
    first = watch.until(Failure.AUTHENTICATION, "guarded")
    assert first.detail == "user or password refused"
    for _ in range(3):
        assert "next try in" in watch.until(Failure.AUTHENTICATION, "guarded").detail
    assert 880 < tries.wait_s(Credentials("viewer", "wrong")) <= 900
    assert camera.refused() == 1


def test_a_power_that_is_off_is_said_first(watch: Watch, credentials: Credentials) -> None:
    dark = Sight("dark", "rtsp://127.0.0.1:9/x", again_s=0.2)
    watch.open(dark, credentials, powered=lambda: False)
    assert watch.until(Failure.POWER, "dark").picture is None


def test_a_snapshot_comes_when_it_is_asked_for(new_camera: NewCamera, watch: Watch, credentials: Credentials) -> None:
    camera = new_camera("snapped", keyframe_every_s=0.3)
    eye = watch.open(sight(camera, every_s=10.0), credentials)
    watch.until(None, "snapped")
    for width_px in (640, 640, 320):  # an impatient finger: the last one is taken
        eye.snapshot(width_px=width_px, quality=40)
    taken = watch.seen.get(timeout=SOON_S)
    assert isinstance(taken, Taken)
    assert taken.jpeg.startswith(b"\xff\xd8") and taken.width_px == 320
    assert isinstance(watch.seen.get(timeout=SOON_S), Outcome)


def test_one_that_is_wanted_of_a_camera_that_is_down_hammers_nobody(watch: Watch, credentials: Credentials) -> None:
    eye = watch.open(Sight("down", "rtsp://127.0.0.1:9/x", every_s=0.3, again_s=1.0), credentials)
    watch.until(Failure.PORT, "down")
    eye.snapshot()
    time.sleep(2.5)
    assert sum(eye.failed.values()) <= 4


def test_a_restart_opens_the_stream_anew(new_camera: NewCamera, watch: Watch, credentials: Credentials) -> None:
    camera = new_camera("restarted", keyframe_every_s=0.3)
    eye = watch.open(sight(camera), credentials)
    watch.until(None, "restarted")
    eye.restart()
    until_s = time.monotonic() + SOON_S
    while eye.opened < 2 and time.monotonic() < until_s:
        time.sleep(0.05)
    assert eye.opened == 2


def test_a_reboot_by_onvif_cures_a_stall(new_camera: NewCamera, watch: Watch, credentials: Credentials) -> None:
    camera = new_camera("rebooted", keyframe_every_s=0.3)
    watch.open(sight(camera), credentials)
    watch.until(None, "rebooted")
    camera.stall()
    watch.until(Failure.NO_FRAMES, "rebooted")
    with camera.onvif(boot_s=0.5) as device:
        asked = OnvifCamera(device.address, device.port, credentials)
        asked.reboot()
        asked.close()
        watch.until(None, "rebooted")


@pytest.mark.parametrize("url", ["rtsp:///x", "rtsp://viewer:hunter2@192.0.2.1/x"])
def test_a_url_with_a_password_or_without_a_host_is_refused(url: str) -> None:
    with pytest.raises(ValueError) as refused:
        Sight("gate", url)
    assert "hunter2" not in str(refused.value)


def test_pictures_that_nobody_takes_do_not_pile_up(
    new_camera: NewCamera, watch: Watch, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.camera_node.eye.MOST_WAITING", 2)
    eye = watch.open(sight(new_camera("ignored", keyframe_every_s=0.2), every_s=0.1), credentials)
    until_s = time.monotonic() + SOON_S
    while eye.dropped < 3 and time.monotonic() < until_s:
        time.sleep(0.05)
    assert eye.dropped >= 3
    assert watch.seen.qsize() <= 2


def test_this_machine_says_what_its_cameras_lack() -> None:
    assert missing() is None or "need-camera.sh" in str(missing())
