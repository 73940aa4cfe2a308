"""`python -m edge.camera_node.look --config F`: every configured camera once, for a technician or a check.

One JSON object a line and camera on stdout (edge/looked.py), each as soon as it is known. Exit code 0 when all of them
see, 1 when one does not, 78 when the configuration is wrong.

Each look is a log-in, and is tried once: a refused password is not tried again, as cameras lock the account. For the
same reason ONVIF is asked only where the stream has let us in. A picture is judged by what the node has learned of the
camera, where it has; without that nobody can know that a view is another one, or half covered.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from edge import service
from edge.camera_node.camera import KEYFRAME_WITHIN_S, Stream, picture
from edge.camera_node.config import MOST_CAMERAS, Camera, NodeConfig, load_node
from edge.camera_node.hysteresis import HOLD_S, PROOF_S
from edge.camera_node.onvif import OnvifCamera, OnvifFailed
from edge.camera_node.passwords import read_passwords
from edge.camera_node.probing import Credentials, Failure, StreamFailed, explained, slow
from edge.camera_node.reach import host_and_port, reach
from edge.camera_node.verdict import Judge
from edge.looked import Look
from edge.memory import glance
from edge.wiring import config_path

LOOK_S: Final = HOLD_S + 2.0  # a judge says nothing new before that; cameras have a keyframe each 1 to 4 s
LONGEST_LOOK_S: Final = HOLD_S + PROOF_S  # what only might be a fault is proven by then, or over
EXIT_NOT_SEEING: Final = 1


def look(
    camera: Camera,
    credentials: Credentials | None,
    *,
    interface: str | None,
    learned: Mapping[str, Any] | None = None,
) -> Look:
    """Open the stream, look at it for LOOK_S, in doubt up to LONGEST_LOOK_S, and ask by ONVIF who it is.

    `learned` is what a judge of this camera has kept. Never raises for a camera's fault.
    """
    begun_s = time.monotonic()
    try:
        with Stream(camera.url, credentials) as stream:
            seen = _watched(camera, stream, Judge(learned), begun_s)
    except StreamFailed as failed:
        host, port = host_and_port(camera.url)
        why = explained(failed, reach(host, port, interface=interface, powered=None))
        return Look(camera=camera.name, failure=why.failure.value, reason=why.detail)
    return seen if camera.onvif_port is None else _asked(seen, camera, camera.onvif_port, credentials)


def _watched(camera: Camera, stream: Stream, judge: Judge, begun_s: float) -> Look:
    seen = picture(stream.keyframe(within_s=KEYFRAME_WITHIN_S))
    first_s = time.monotonic()
    stream.rate()  # from here on: opening takes time in which nothing comes
    judge.see(seen, first_s)
    while (left_s := first_s + (LONGEST_LOOK_S if judge.doubting else LOOK_S) - time.monotonic()) > 0:
        frame = stream.next_keyframe(within_s=left_s)
        if frame is not None:
            seen = picture(frame)
            judge.see(seen, time.monotonic())
    rate, verdict = stream.rate(), judge.verdict
    late = slow(rate.frames_per_s, camera.frames_per_s)
    return Look(
        camera=camera.name,
        failure=Failure.SLOW_FRAMES.value if late else None,
        verdict=verdict.kind,
        reason=verdict.reason,
        codec=stream.codec,
        width_px=seen.width_px,
        height_px=seen.height_px,
        first_picture_s=_rounded(first_s - begun_s),
        frames_per_s=_rounded(rate.frames_per_s),
        bitrate_kbps=_rounded(rate.bitrate_kbps),
    )


def _asked(seen: Look, camera: Camera, port: int, credentials: Credentials | None) -> Look:
    """With what the camera says of itself."""
    host, _ = host_and_port(camera.url)
    with closing(OnvifCamera(host, port, credentials)) as onvif:
        try:
            ahead_s = onvif.skew_s(datetime.now(UTC))
            seen = replace(seen, clock_ahead_s=_rounded(ahead_s))
            return replace(seen, onvif="", serial_number=onvif.identity().serial_number or None)
        except OnvifFailed as failed:
            return replace(seen, onvif=failed.detail)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def main(argv: list[str]) -> int:
    """Look at all of them at the same time; the exit code."""
    return service.exit_code(lambda: _run(argv))


def _run(argv: list[str]) -> int:
    config = load_node(config_path(argv, "edge.camera_node.look", "docs/camera-node.md"))
    good = True
    for each in _looks(config):
        sys.stdout.write(each.to_json() + "\n")
        sys.stdout.flush()
        good = good and each.good
    return service.EXIT_CLEAN if good else EXIT_NOT_SEEING


def _looks(config: NodeConfig) -> Iterator[Look]:
    """As each ends: one that hangs delays no other."""
    passwords = {} if config.pole.passwords_path is None else read_passwords(config.pole.passwords_path)
    learned = glance(config.documents.path, "learned", {})

    def one(camera: Camera) -> Look:
        kept = learned.get(camera.name)
        judge = kept.get("judge") if isinstance(kept, dict) else None
        return look(
            camera,
            passwords.get(camera.name),
            interface=config.pole.interface,
            learned=judge if isinstance(judge, dict) else None,
        )

    with ThreadPoolExecutor(MOST_CAMERAS) as pool:
        for ended in as_completed([pool.submit(one, camera) for camera in config.cameras]):
            yield ended.result()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
