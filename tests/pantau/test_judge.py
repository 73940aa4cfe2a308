"""`pantau judge`: a clip that is covered halfway, and files that are none."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from bench.faults import fault
from bench.scenes import Scene, Weather
from edge.camera_node.picture import LUMA_SHAPE, Picture


def judge(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pantau", "judge", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def film(path: Path, pictures: list[Picture]) -> None:
    """One picture a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(1))
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 640, 360, "yuv420p", 4_000_000
        for picture in pictures:
            planes = np.concatenate([picture.luma.ravel(), picture.u.ravel(), picture.v.ravel()])
            frame = av.VideoFrame.from_ndarray(planes.reshape(-1, LUMA_SHAPE[1]), format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("suffix", ["mp4", "avi", "mkv"])
def test_a_clip_that_is_covered_halfway(tmp_path: Path, suffix: str) -> None:
    scene = Scene(8, busy_per_min=4)
    street = [scene.picture(float(second), Weather()) for second in range(36)]
    cover = fault("covered", "strong", street[0], np.random.default_rng(3))
    film(tmp_path / f"clip.{suffix}", street[:18] + [cover(picture, 0.0) for picture in street[18:]])
    done = judge(str(tmp_path / f"clip.{suffix}"), "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["kind"] for line in lines] == ["seeing", "covered", "covered"]
    assert 18 < lines[1]["at_s"] <= 34
    assert lines[-1]["end"]


def test_a_file_that_is_no_video_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video at all" * 100)
    for name in ("clip.mp4", "absent.mp4"):
        done = judge(str(tmp_path / name))
        assert done.returncode == 1
        assert name in done.stderr
        assert len(done.stderr.splitlines()) == 1
