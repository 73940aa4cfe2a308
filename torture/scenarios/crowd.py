"""crowd: very many units at once, all with a backlog, and a centre that takes it slower than they could send it."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from broker.store import open_store
from torture.crowd import NAMES, Backlog, Crowd
from torture.gauges import of_process
from torture.scenario import Unready, scenario
from torture.scene import Scene

CITY_UNITS: Final = 3_000
CITY_ROWS: Final = 8_640  # three days of a vehicle that is driven eight hours a day, a row each 10 s
CITY_ROWS_PER_S: Final = 4_800  # 26 million rows take 90 minutes, everything on one machine of two cores
CITY_LEAST_S: Final = 60.0
CITY_CONNECTED_WITHIN_S: Final = 90.0  # both ends of 3,000 handshakes are on these cores, too
UNITS: Final = 150
ROWS: Final = 200  # two parcels: the second one needs a number that the first one brought
OVERLOADED_ROWS: Final = 300
OVERLOADED_UNITS: Final = 60
ROW_US: Final = 500.0  # the slowed bridge: at most 2,000 rows a second
TIMES_OVER: Final = 4.0
OUTAGE_S: Final = 3.0
LIVE_P99_S: Final = 2.0
SENT_A_STORED_BYTE: Final = 1.1
BRIDGE_LIMIT_MB: Final = 300.0  # two lanes of 32 MB, a page cache of 64 MB, a group being committed
SETTLE_WITHIN_S: Final = 20.0
# They come within 6 s, those that came too early within 6 s more (docs/uplink.md); as much again for a busy machine.
CONNECTED_WITHIN_S: Final = 24.0
FILES_BESIDE: Final = 500


@scenario()
def reconnects(scene: Scene) -> None:
    """A crowd that comes back at once after an outage, each with a backlog, is stored once, and live is never late."""
    returned(scene, UNITS, ROWS, live_every_s=2.0, within_s=90.0, connected_within_s=CONNECTED_WITHIN_S)


@scenario()
def city(scene: Scene) -> None:
    """3,000 units come back at once, each with up to three days of backlog: stored once, and live is never late."""
    if scene.seconds < CITY_LEAST_S:
        raise Unready(f"needs {CITY_LEAST_S:g} s of faults: alone --minutes 2, all three days --minutes 91")
    rows = min(CITY_ROWS, int(scene.seconds * CITY_ROWS_PER_S / CITY_UNITS))
    within_s = 60.0 + 4 * scene.seconds  # a machine may be slower than that by half, and is beside others
    returned(scene, CITY_UNITS, rows, live_every_s=10.0, within_s=within_s, connected_within_s=CITY_CONNECTED_WITHIN_S)


@scenario()
def overloaded(scene: Scene) -> None:
    """Offered four times what its bridge can store, a centre keeps live in time, and little is sent in vain."""
    backlog = Backlog(OVERLOADED_ROWS)
    bridge = scene.children["bridge"]
    ordinary, account = bridge.command, scene.city.directory / "account.json"
    config = ["--config", str(scene.city.centre_config), "--row-us", str(ROW_US), "--account", str(account)]
    scene.stop("bridge")
    bridge.command = [sys.executable, "-m", "stage.slow_bridge", *config]
    scene.start("bridge")
    scene.fault(f"a bridge of {1e6 / ROW_US:.0f} rows a second")
    row_bytes = backlog.bytes / backlog.rows
    each_bytes_per_s = TIMES_OVER * 1e6 / ROW_US * row_bytes / OVERLOADED_UNITS
    with crowded(scene, OVERLOADED_UNITS, backlog, live_every_s=1.0, bucket_bytes_per_s=each_bytes_per_s) as crowd:
        drains(scene, crowd, backlog, within_s=120.0)
    scene.stop("bridge")
    bridge.command = ordinary
    scene.start("bridge")


def returned(
    scene: Scene, units: int, rows: int, *, live_every_s: float, within_s: float, connected_within_s: float
) -> None:
    """The broker is away, all of them want to connect, and it comes back."""
    backlog = Backlog(rows)
    scene.hold("mosquitto")
    with crowded(scene, units, backlog, live_every_s=live_every_s) as crowd:
        scene.settle(OUTAGE_S)
        scene.start("mosquitto")
        back_s = time.monotonic()
        wanted = round(0.95 * units)
        scene.until(lambda: len(crowd.connected_s) >= wanted, 60.0 + connected_within_s)
        took_s = sorted(crowd.connected_s)[wanted - 1] - back_s if len(crowd.connected_s) >= wanted else float("inf")
        in_time = took_s <= connected_within_s
        scene.claim("95 % are connected in time", in_time, f"{took_s:.1f} of {connected_within_s:.0f} s")
        drains(scene, crowd, backlog, within_s=within_s)


@contextmanager
def crowded(scene: Scene, units: int, backlog: Backlog, **how: float) -> Iterator[Crowd]:
    """A crowd beside the scene's own box, gone again at the end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < units + FILES_BESIDE:
        if hard != resource.RLIM_INFINITY and hard < units + FILES_BESIDE:
            raise Unready(f"needs {units + FILES_BESIDE} open files (ulimit -n)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (units + FILES_BESIDE, hard))
    crowd = Crowd(scene.city, units, backlog, luck=scene.luck, **how)
    scene.fault(f"{units} units with {backlog.rows} rows each")
    crowd.start()
    try:
        yield crowd
    finally:
        crowd.stop()


def drains(scene: Scene, crowd: Crowd, backlog: Backlog, *, within_s: float) -> None:
    """Until every backlog is receipted; then what came of it is held against what was sent."""
    memory_mb = 0.0

    def drained() -> bool:
        nonlocal memory_mb
        pid = scene.children["bridge"].pid
        gauges = None if pid is None else of_process(pid)
        memory_mb = max(memory_mb, 0.0 if gauges is None else gauges.rss_mb)
        return crowd.drained

    begun_s = time.monotonic()
    scene.until(drained, within_s, "every backlog is receipted")
    took_s = time.monotonic() - begun_s
    ratio = crowd.sent_bytes / (len(crowd.members) * backlog.bytes + crowd.live_bytes)
    crowd.say_again()
    rows = len(crowd.members) * backlog.rows
    scene.until(lambda: stored_of(scene) == rows + crowd.live_rows, SETTLE_WITHIN_S)
    stored = stored_of(scene)
    seen = f"{stored} of {rows + crowd.live_rows}, backlog at {rows / took_s:.0f} rows/s"
    scene.claim("all of it is stored, once", stored == rows + crowd.live_rows, seen)
    late_s = sorted(crowd.stored_after_s)
    p99_s = late_s[len(late_s) * 99 // 100] if late_s else float("inf")
    scene.claim(f"live is stored within {LIVE_P99_S:g} s (p99)", p99_s <= LIVE_P99_S, f"{p99_s:.2f} s of {len(late_s)}")
    again = f"{ratio:.3f}, {crowd.bulk_again} parcels and {crowd.live_again} live rows again"
    scene.claim(f"at most {SENT_A_STORED_BYTE:g} bytes sent a byte stored", ratio <= SENT_A_STORED_BYTE, again)
    scene.claim(f"the bridge stays below {BRIDGE_LIMIT_MB:g} MB", 0 < memory_mb <= BRIDGE_LIMIT_MB, f"{memory_mb:.0f}")
    scene.claim("no member lost its connection", not crowd.lost_connections, crowd.lost_connections)


def stored_of(scene: Scene) -> int:
    """Rows of the crowd that the store has under their own keys; conflicts are judged by the account."""
    with open_store(scene.city.store_url) as store:
        return sum(account.stored for account in store.ledger() if account.unit.startswith(NAMES))
