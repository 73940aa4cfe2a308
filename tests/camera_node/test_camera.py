"""Streams against a real RTSP server with digest authentication, and against one that lies."""

from __future__ import annotations

import io
import itertools
import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.camera_node.camera import Stream, jpeg, picture
from edge.camera_node.clips import ClipUnreadable, pictures
from edge.camera_node.picture import CHROMA_SHAPE, LUMA_SHAPE, Picture
from edge.camera_node.probing import Credentials, Failure, StreamFailed
from edge.sim.cameras import PASSWORD, CameraHost, SimCamera
from edge.sim.rtsp_liar import Lie, RtspLiar

NewCamera = Callable[..., SimCamera]
BUSY_S = 6.0  # what a busy machine may add to a deadline


@pytest.fixture(scope="module")
def camera(host: CameraHost) -> SimCamera:
    return host.camera("street", frames_per_s=10, keyframe_every_s=0.5)


def seen(camera: SimCamera, credentials: Credentials, *, after_s: float = 0.8) -> Picture:
    with Stream(camera.url, credentials) as stream:
        stream.skip(after_s)
        return picture(stream.keyframe())


def test_a_keyframe_becomes_a_picture(camera: SimCamera, credentials: Credentials) -> None:
    with Stream(camera.url, credentials) as stream:
        assert stream.size == (640, 360)
        found = picture(stream.keyframe())
        stream.rate()
        stream.skip(2.0)
        rate = stream.rate()
    assert (found.luma.shape, found.u.shape, found.v.shape) == (LUMA_SHAPE, CHROMA_SHAPE, CHROMA_SHAPE)
    assert (found.width_px, found.height_px, found.corrupt) == (640, 360, False)
    assert found.luma.std() > 20
    assert rate.frames_per_s is not None and 3 < rate.frames_per_s < 15
    assert rate.bitrate_kbps is not None and rate.bitrate_kbps > 50


def test_each_fault_can_be_seen_and_goes_away(camera: SimCamera, credentials: Credentials) -> None:
    well = seen(camera, credentials)

    def sharp(of: Picture) -> float:
        return float(np.abs(np.diff(of.luma.astype(float), axis=1)).mean())

    camera.darken()
    assert seen(camera, credentials).luma.mean() < 0.5 * well.luma.mean()
    camera.recover()
    camera.cover()
    assert seen(camera, credentials).luma.std() < 5
    camera.recover()
    camera.defocus()
    assert sharp(seen(camera, credentials)) < 0.6 * sharp(well)
    camera.recover()
    camera.night()
    assert abs(float(seen(camera, credentials).u.mean()) - 128) < 2
    camera.recover()
    assert sharp(seen(camera, credentials)) > 0.8 * sharp(well)


def test_a_frozen_picture_is_the_same_picture(new_camera: NewCamera, credentials: Credentials) -> None:
    camera = new_camera("frozen", keyframe_every_s=0.3)
    with Stream(camera.url, credentials) as stream:
        one, two = (picture(stream.keyframe()) for _ in range(2))
        assert not np.array_equal(one.luma, two.luma)
        camera.freeze()
        stream.skip(1.0)
        one, two = (picture(stream.keyframe()) for _ in range(2))
        assert np.array_equal(one.luma, two.luma)


@pytest.mark.parametrize(
    ("url", "password", "failure"),
    [
        ("{url}x", PASSWORD, Failure.PATH),
        ("{url}", "not the password", Failure.AUTHENTICATION),
        ("{url}", None, Failure.AUTHENTICATION),
        ("rtsp://127.0.0.1:9/stream1", PASSWORD, Failure.PORT),
    ],
)
def test_what_cannot_be_opened_says_why(
    camera: SimCamera, credentials: Credentials, url: str, password: str | None, failure: Failure
) -> None:
    with pytest.raises(StreamFailed) as failed:
        Stream(url.format(url=camera.url), Credentials("viewer", password) if password else None)
    assert failed.value.failure is failure


def test_no_error_and_no_log_holds_the_password(
    camera: SimCamera, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    secret = "hunter2hunter2"
    caplog.set_level(logging.DEBUG)
    for url in (camera.url, camera.url + "x", "rtsp://127.0.0.1:9/stream1"):
        with pytest.raises(StreamFailed) as failed:
            Stream(url, Credentials("viewer", secret))
        assert failed.value.__suppress_context__  # a traceback does not print FFmpeg's, which has the URL in it
        assert secret not in f"{failed.value!r} {failed.value} {Credentials('viewer', secret)!r}"
    said = capfd.readouterr()
    assert secret not in said.out + said.err + caplog.text


def test_a_stalled_stream_is_no_frames(new_camera: NewCamera, credentials: Credentials) -> None:
    camera = new_camera("stalling")
    with Stream(camera.url, credentials, read_within_s=1.0) as stream:
        stream.keyframe()
        camera.stall()
        begun_s = time.monotonic()
        with pytest.raises(StreamFailed) as failed:
            stream.keyframe(within_s=30.0)
    assert failed.value.failure is Failure.NO_FRAMES
    assert time.monotonic() - begun_s < 2.0 + BUSY_S


def test_frames_without_a_keyframe_are_no_picture(new_camera: NewCamera, credentials: Credentials) -> None:
    camera = new_camera("smart codec", keyframe_every_s=60)
    with Stream(camera.url, credentials) as stream:
        stream.keyframe()
        with pytest.raises(StreamFailed, match="no keyframe within 1 s"):
            stream.keyframe(within_s=1.0)


def test_thirty_megapixels_are_refused_before_they_are_decoded() -> None:
    with RtspLiar("huge") as liar, Stream(liar.url) as stream, pytest.raises(StreamFailed, match="16 mega") as failed:
        stream.keyframe()
    assert failed.value.failure is Failure.CODEC


def test_a_size_beyond_the_bound_is_not_decoded_either(new_camera: NewCamera, credentials: Credentials) -> None:
    camera = new_camera("plain", plain=True)
    with Stream(camera.url, credentials) as stream:
        packet = stream.keyframe_packet(within_s=30.0)
        assert packet is not None
        stream._most_pixels = 640 * 360 - 1  # as if only the stream itself had said its size
        with pytest.raises(StreamFailed) as failed:
            stream.decoded(packet)
    assert failed.value.failure is Failure.CODEC


@pytest.mark.parametrize(
    ("lie", "failure"),
    [
        ("silent", Failure.PORT),
        ("not_rtsp", Failure.PORT),
        ("endless_headers", Failure.PORT),
        ("dripped_headers", Failure.PORT),
        ("endless_body", Failure.PORT),
        ("no_video", Failure.CODEC),
        ("no_decoder", Failure.CODEC),
    ],
)
def test_no_lie_holds_it_longer_than_its_deadline(lie: Lie, failure: Failure) -> None:
    with RtspLiar(lie) as liar:
        begun_s = time.monotonic()
        with pytest.raises(StreamFailed) as failed:
            Stream(liar.url, open_within_s=1.0)
        assert failed.value.failure is failure
        assert time.monotonic() - begun_s < 2.0 + BUSY_S


def test_garbage_is_a_failure_of_the_codec_or_no_frames_and_no_crash() -> None:
    with RtspLiar("garbage") as liar:
        begun_s = time.monotonic()
        with pytest.raises(StreamFailed) as failed, Stream(liar.url, open_within_s=1.0, read_within_s=1.0) as stream:
            while True:
                assert picture(stream.keyframe(within_s=2.0)).corrupt
        assert failed.value.failure in {Failure.CODEC, Failure.NO_FRAMES, Failure.PORT}
        assert time.monotonic() - begun_s < 30.0


def test_a_snapshot_has_the_size_and_costs_what_was_asked(camera: SimCamera, credentials: Credentials) -> None:
    with Stream(camera.url, credentials) as stream:
        frame = stream.keyframe()
    sizes = [len(jpeg(frame, width_px=320, quality=quality)) for quality in (10, 50, 90)]
    assert sizes == sorted(sizes) and sizes[0] < 0.7 * sizes[-1]
    assert _jpeg_size(jpeg(frame)) == (640, 360)
    assert _jpeg_size(jpeg(frame, width_px=320)) == (320, 180)
    assert _jpeg_size(jpeg(picture(frame), width_px=9999)) == (640, 360)


def test_a_clip_is_read_at_its_own_pace(real_data: Path) -> None:
    frames = pictures(real_data / "camera" / "dvr_traffic.mp4", every_s=2.0)
    assert [at_s for at_s, _ in itertools.islice(frames, 3)] == pytest.approx([0.0, 2.0, 4.0], abs=0.1)


def test_a_clip_that_is_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "noise.mp4").write_bytes(b"\0" * 1000)
    with pytest.raises(ClipUnreadable, match=r"noise\.mp4"):
        list(pictures(tmp_path / "noise.mp4", every_s=1.0))


def _jpeg_size(raw: bytes) -> tuple[int, int]:
    """Width and height from the frame header (ITU T.81 B.2.2)."""
    file = io.BytesIO(raw)
    assert file.read(2) == b"\xff\xd8"
    while True:
        marker, length = file.read(2), int.from_bytes(file.read(2), "big")
        body = file.read(length - 2)
        if marker in (b"\xff\xc0", b"\xff\xc2"):
            return int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
