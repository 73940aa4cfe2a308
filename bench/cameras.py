"""cameras: what a camera node pays for looking: CPU a judged keyframe, memory with eight cameras, a snapshot's bytes.

One real RTSP server (simulated street, H.264, digest), 1080p at 12 frames/s and about 4 Mbit/s, a keyframe each two
seconds; eight eyes open it eight times, which costs a node what eight cameras would.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.processes import cpu_s, rss_mb
from bench.report import Figure, median, progress, show, skipped
from edge.camera_node.camera import Stream, jpeg, picture
from edge.camera_node.eye import EVERY_S, Eye, Sight, Taken
from edge.camera_node.heap import one_heap
from edge.camera_node.probing import Credentials, Outcome
from edge.sim.cameras import PASSWORD, USER, CameraHost, NoCameras, SimCamera

CAMERAS: Final = 8
SETTLING_S: Final = 15.0
LOOKED_S: Final = 45.0
LOOKS: Final = 10
_WHO: Final = Credentials(USER, PASSWORD)


def main(argv: Sequence[str]) -> int:
    """Run it; without GStreamer it is skipped and says so."""
    as_json = "--json" in argv
    try:
        with tempfile.TemporaryDirectory() as folder, CameraHost(Path(folder)) as host:
            camera = host.camera(
                "bench", width_px=1920, height_px=1080, frames_per_s=12, keyframe_every_s=2, bitrate_kbps=4000
            )
            figures = [*_looks(camera), *_short_lived(camera), *_eight(camera.url)]
    except NoCameras as why:
        return skipped("cameras", str(why), as_json=as_json)
    show("cameras", figures, as_json=as_json, conditions="1080p H.264, 12 frames/s, 4 Mbit/s, keyframe each 2 s")
    return 0


def _looks(camera: SimCamera) -> list[Figure]:
    """One stream kept open: what decoding and scaling cost, and what reading costs beside it."""
    decoding_ms, reading_ms_a_mb, snapshots = [], [], {}
    begun_s = time.monotonic()
    with Stream(camera.url, _WHO) as stream:
        frame = stream.keyframe()
        first_s = time.monotonic() - begun_s
        for look in range(LOOKS):
            progress(f"cameras: look {look + 1} of {LOOKS}")
            from_s, from_bytes = time.thread_time(), stream.bytes
            packet = stream.keyframe_packet(within_s=30.0)
            read_s = time.thread_time()
            assert packet is not None
            frame = stream.decoded(packet)
            picture(frame)
            decoding_ms.append((time.thread_time() - read_s) * 1000)
            reading_ms_a_mb.append((read_s - from_s) * 1e9 / (stream.bytes - from_bytes))
        for width_px, quality in ((1920, 75), (640, 50), (320, 30)):
            snapshots[width_px, quality] = len(jpeg(frame, width_px=width_px, quality=quality))
        from_s = time.thread_time()
        jpeg(frame, width_px=1280)
        jpeg_ms = (time.thread_time() - from_s) * 1000
    return [
        Figure("keyframe decoded and made a picture, CPU", median(decoding_ms), "ms", "≤ 25"),
        Figure("reading a stream, CPU", median(reading_ms_a_mb), "ms/MB", note="kept open: 2.5 MB in 5 s"),
        Figure("snapshot of 1280 pixels, CPU", jpeg_ms, "ms"),
        Figure("from opening to the first picture", first_s, "s"),
        *(
            Figure(f"snapshot, {width_px} pixels wide, quality {quality}", size, "B")
            for (width_px, quality), size in snapshots.items()
        ),
    ]


def _short_lived(camera: SimCamera) -> list[Figure]:
    """The other way: a session for each look."""
    looks_ms = []
    for look in range(LOOKS // 2):
        progress(f"cameras: short-lived look {look + 1} of {LOOKS // 2}")
        from_s = time.thread_time()
        with Stream(camera.url, _WHO) as stream:
            picture(stream.keyframe())
        looks_ms.append((time.thread_time() - from_s) * 1000)
        time.sleep(0.7)  # not always at the same place between two keyframes
    return [Figure("a session for one look, CPU", median(looks_ms), "ms", note="all included")]


def _eight(url: str) -> list[Figure]:
    """Eight eyes in a process of their own, with everything that a node imports."""
    progress(f"cameras: {CAMERAS} eyes for {SETTLING_S + LOOKED_S:.0f} s")
    code = f"from bench.cameras import eight; eight({url!r})"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    told = json.loads(done.stdout)
    return [
        Figure("node before its first camera, resident", told["idle_mb"], "MB", note="PyAV, numpy, paho, onveef"),
        Figure(f"node with {CAMERAS} cameras, resident, at most", told["peak_mb"], "MB", "≤ 120"),
        Figure(f"{CAMERAS} cameras kept open, a look each 5 s, CPU", told["cpu_percent"], "% of a core"),
        Figure("a look, everything included, CPU", told["look_ms"], "ms"),
        Figure("from being told to stop to the end", told["stopped_s"], "s", "≤ 5"),
    ]


def eight(url: str) -> None:
    """What the process of the eight eyes does; its figures as JSON on standard output."""
    one_heap()
    import paho.mqtt.client  # noqa: F401 - a node has it in memory

    import edge.camera_node.onvif
    import edge.outbox  # noqa: F401

    seen = queue.SimpleQueue[Outcome | Taken]()
    stop = threading.Event()
    pid = os.getpid()
    idle_mb = rss_mb(pid)
    eyes = [Eye(Sight(f"camera-{n}", url, every_s=EVERY_S), lambda: _WHO, seen) for n in range(CAMERAS)]
    threads = [threading.Thread(target=eye.run, args=(stop,)) for eye in eyes]
    for thread in threads:
        thread.start()
    _drain(seen, SETTLING_S, pid)
    from_s = cpu_s(pid)
    looks, peak_mb = _drain(seen, LOOKED_S, pid)
    used_s = cpu_s(pid) - from_s
    told_s = time.monotonic()
    stop.set()
    for thread in threads:
        thread.join()
    figures = {
        "idle_mb": idle_mb,
        "peak_mb": peak_mb,
        "cpu_percent": used_s / LOOKED_S * 100,
        "look_ms": used_s * 1000 / looks,
        "stopped_s": time.monotonic() - told_s,
    }
    print(json.dumps(figures))


def _drain(seen: queue.SimpleQueue[Outcome | Taken], for_s: float, pid: int) -> tuple[int, float]:
    """(pictures that came, highest resident MB) in that time."""
    until_s = time.monotonic() + for_s
    looks, peak_mb = 0, 0.0
    while (left_s := until_s - time.monotonic()) > 0:
        try:
            outcome = seen.get(timeout=min(0.2, left_s))
        except queue.Empty:
            outcome = None
        if isinstance(outcome, Outcome) and outcome.picture is not None:
            looks += 1
        peak_mb = max(peak_mb, rss_mb(pid))
    return looks, peak_mb
