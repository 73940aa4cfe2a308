"""`python -m edge.camera_node.look --config F`: every configured camera once, for a technician or a check.

One JSON object a line and camera on stdout: camera, width_px, height_px, frames_per_s, bitrate_kbps (null: no picture
came), failure (a word of `Failure`, null: none), verdict (a kind of the judge's, null: no picture) and reason. Nothing
secret is in them. Exit code 0 when all of them see, 1 when one does not, 78 when the configuration is wrong.

Each look is a log-in, and is tried once: a refused password is not tried again, as cameras lock the account.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Final

from edge import service
from edge.camera_node.camera import KEYFRAME_WITHIN_S, Stream, picture
from edge.camera_node.config import Camera, load_node
from edge.camera_node.passwords import read_passwords
from edge.camera_node.probing import Credentials, Failure, StreamFailed, explained, slow
from edge.camera_node.reach import host_and_port, reach
from edge.camera_node.verdict import Judge
from edge.wiring import config_path

LOOK_S: Final = 8.0  # the judge wants a few pictures before it says anything; cameras have a keyframe each 1 to 4 s
SEEING: Final = "seeing"
EXIT_NOT_SEEING: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What came of one camera."""

    camera: str
    width_px: int | None = None
    height_px: int | None = None
    frames_per_s: float | None = None
    bitrate_kbps: float | None = None
    failure: str | None = None
    verdict: str | None = None
    reason: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing failed and the picture is one."""
        return self.failure is None and self.verdict == SEEING


def look(camera: Camera, credentials: Credentials | None, *, interface: str | None, for_s: float = LOOK_S) -> Look:
    """Open the stream, look at it for `for_s` seconds and judge what was there; never raises for a camera's fault."""
    try:
        with Stream(camera.url, credentials) as stream:
            return _watched(camera, stream, for_s)
    except StreamFailed as failed:
        host, port = host_and_port(camera.url)
        why = explained(failed, reach(host, port, interface=interface, powered=None))
        return Look(camera=camera.name, failure=why.failure.value, reason=why.detail)


def _watched(camera: Camera, stream: Stream, for_s: float) -> Look:
    judge = Judge()
    end_s = time.monotonic() + for_s
    seen = picture(stream.keyframe(within_s=KEYFRAME_WITHIN_S))
    judge.see(seen, time.monotonic())
    while (left_s := end_s - time.monotonic()) > 0:
        frame = stream.next_keyframe(within_s=left_s)
        if frame is not None:
            seen = picture(frame)
            judge.see(seen, time.monotonic())
    rate, verdict = stream.rate(), judge.verdict
    late = slow(rate.frames_per_s, camera.frames_per_s)
    return Look(
        camera=camera.name,
        width_px=seen.width_px,
        height_px=seen.height_px,
        frames_per_s=_rounded(rate.frames_per_s),
        bitrate_kbps=_rounded(rate.bitrate_kbps),
        failure=Failure.SLOW_FRAMES.value if late else None,
        verdict=verdict.kind,
        reason=verdict.reason,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def main(argv: list[str]) -> int:
    """Look at all of them at the same time; the exit code."""
    return service.exit_code(lambda: _run(argv))


def _run(argv: list[str]) -> int:
    config = load_node(config_path(argv, "edge.camera_node.look", "docs/camera-node.md"))
    passwords = {} if config.pole.passwords_path is None else read_passwords(config.pole.passwords_path)

    def one(camera: Camera) -> Look:
        return look(camera, passwords.get(camera.name), interface=config.pole.interface)

    with ThreadPoolExecutor(len(config.cameras)) as pool:
        looks = list(_told(pool.map(one, config.cameras)))
    return service.EXIT_CLEAN if all(each.good for each in looks) else EXIT_NOT_SEEING


def _told(looks: Iterator[Look]) -> Iterator[Look]:
    for each in looks:
        sys.stdout.write(json.dumps(asdict(each), ensure_ascii=False) + "\n")
        sys.stdout.flush()
        yield each


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
