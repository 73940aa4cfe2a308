"""link: what a mobile network does to a connection."""

from __future__ import annotations

import statistics
import time
from typing import Final

from torture.past import three_days
from torture.scenario import Settings, Setup, scenario
from torture.scene import Scene
from torture.underway import connects, underway

KEEPALIVE_S: Final = 10
SHORT_KEEPALIVE: Final[Settings] = {"broker": {"keepalive_s": KEEPALIVE_S}}
# A dead link is noticed 1.5 keep-alives after the last byte; the next attempt then waits for at most a second.
NOTICED_WITHIN_S: Final = 1.5 * KEEPALIVE_S + 1.0 + 3.0  # and a busy machine
LIVE_WITHIN_S: Final = 2.0
# Pauses between attempts are drawn from 0 to 1, 1, 2, 4 … 30 s: five are made in the first eight seconds, ten once in
# ten thousand runs; later one in fifteen seconds. A box whose pause did not grow would make sixteen in eight.
FIRST_ATTEMPTS: Final = 11
ATTEMPT_EVERY_S: Final = 10.0
# Of a connection's bytes up: none, a part of the ClientHello, of the certificate, all up to the CONNECT, and some more.
SLAMMED_AFTER_BYTES: Final = (0, 300, 1_500, 2_600, 4_000)
PAGE: Final = b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
TLS_RECORDS: Final = {0x14, 0x15, 0x16}  # change of cipher, alert, handshake: RFC 8446, section 5.1
# The link of uplink.md: 1 Mbit/s, 80 ms there and back. The box's own bucket (16 kB/s) is lifted, which is the harder
# case for live: bulk takes all the link has.
BYTES_PER_S: Final = 125_000.0
ONE_WAY_S: Final = 0.04
NO_BUCKET: Final[Settings] = {"uplink": {"bulk_bytes_per_s": 100_000_000, "bulk_burst_bytes": 100_000_000}}
ROWS: Final = 25_920  # three days, one each ten seconds
FEW_ROWS: Final = 2_592  # as old as those, where there is no time for all
MANY_WITHIN_S: Final = 60.0  # of faults: then there is
SLOW_BYTES_PER_S: Final = 4_000.0  # 32 kbit/s: GPRS
SLOW_LIVE_WITHIN_S: Final = 4.0  # behind the first bulk parcel, 4 kB, sent before the link has been measured
LOST_PERCENT: Final = 20
LOSSY_BITS_PER_S: Final = 256_000


@scenario()
def flapping(scene: Scene) -> None:
    """A link that goes and comes every five seconds costs nothing but time, and no storm of attempts."""
    underway(scene, scene.box)
    link, begun_s, before = scene.box.link, time.monotonic(), scene.box.link.attempts
    cuts = 0
    while scene.going():
        away_s = scene.luck.uniform(0.5, 4.5)
        scene.play(5.0 - away_s)
        link.cut()
        scene.fault("cut")
        cuts += 1
        scene.settle(away_s)
        link.mend()
    # A session whose first receipt came begins to count anew.
    most = FIRST_ATTEMPTS + cuts + (time.monotonic() - begun_s) / ATTEMPT_EVERY_S * 5
    scene.claim("attempts are few", link.attempts - before <= most, f"{link.attempts - before} of {most:.0f}")


@scenario(Setup(network=True))
def lossy(scene: Scene) -> None:
    """With one packet in five lost each way, on 256 kbit/s, positions go on coming and the link is not given up."""
    underway(scene, scene.box)
    network, before, since_s = scene.box.network, scene.box.link.attempts, time.monotonic()
    assert network is not None
    network.limit(LOSSY_BITS_PER_S)
    scene.box.lose(LOST_PERCENT)
    scene.fault(f"{LOST_PERCENT} % loss")
    while scene.going():
        scene.play(5.0)
    late_s = scene.late_s(scene.box, since_s)
    scene.claim("live positions go on coming", len(late_s) >= 3, len(late_s))
    if late_s:
        median_s = statistics.median(late_s)
        scene.claim("half of them within two seconds", median_s <= LIVE_WITHIN_S, f"{median_s:.2f} s")
    # Eight resends in a row that are lost, or their acknowledgements, end a connection (TCP_USER_TIMEOUT, 30 s).
    most = (time.monotonic() - since_s) // 120
    scene.claim("the link is not given up", scene.box.link.attempts - before <= most, scene.box.link.attempts - before)
    scene.box.lose(0)
    network.limit(None)


@scenario()
def delayed(scene: Scene) -> None:
    """Two seconds each way make a position two seconds late, and break no connection."""
    underway(scene, scene.box)
    link = scene.box.link
    before, since_s = link.attempts, time.monotonic()
    link.delay(2.0)
    scene.fault("2 s delay")
    while scene.going():
        scene.play(5.0)
    late_s = scene.late_s(scene.box, since_s)
    scene.claim("live positions go on coming", len(late_s) >= 3, len(late_s))
    scene.claim("none is later than the link and two seconds", max(late_s, default=99) <= 4.0, f"{max(late_s):.2f} s")
    scene.claim("the connection stands", link.attempts == before, link.attempts - before)
    link.cut()
    link.mend()
    connects(scene, scene.box, before, 30.0, "a new session begins over such a link")
    link.delay(0.0)


@scenario(Setup(settings=SHORT_KEEPALIVE))
def slow(scene: Scene) -> None:
    """On 32 kbit/s a backlog never makes the live position wait, and no connection is given up."""
    underway(scene, scene.box)
    link = scene.box.link
    link.limit(SLOW_BYTES_PER_S)
    while scene.going():
        before = link.connections
        link.cut()
        scene.fault("cut, 32 kbit/s")
        scene.settle(3.0)
        link.mend()
        if not connects(scene, scene.box, before, 30.0, "it comes back"):
            break
        since_s, attempts = time.monotonic(), link.attempts
        scene.settle(6.0)
        scene.play(scene.luck.uniform(0.0, 60.0))
        late_s = scene.late_s(scene.box, since_s)
        scene.claim("live positions go on coming", len(late_s) >= 2, len(late_s))
        worst_s = max(late_s, default=99.0)
        scene.claim("none waits for the backlog", worst_s <= SLOW_LIVE_WITHIN_S, f"{worst_s:.2f} s")
        scene.claim("the connection stands", link.attempts == attempts, link.attempts - attempts)
    link.limit(None)


@scenario(Setup(boxes=2, settings=SHORT_KEEPALIVE, least_s=18.0))  # 1.5 keep-alives of the shortest that can be set
def one_way_silence(scene: Scene) -> None:
    """A link that swallows one direction is noticed within one and a half keep-alives, whichever it is."""
    up, down = scene.boxes
    for box in scene.boxes:
        underway(scene, box)
    while scene.going():
        before = {box.name: box.link.attempts for box in scene.boxes}
        up.link.silence("up")
        down.link.silence("down")
        scene.fault("silence up")
        scene.fault("silence down")
        noticed(scene, before)
        for box in scene.boxes:
            box.link.mend()
        scene.play(scene.luck.uniform(1.0, 30.0))


@scenario(Setup(boxes=2, settings=SHORT_KEEPALIVE, least_s=18.0))
def stalled(scene: Scene) -> None:
    """A link that stands still in mid-record, of a session or of a handshake, is noticed as soon as a silent one."""
    session, handshake = scene.boxes
    for box in scene.boxes:
        underway(scene, box)
    while scene.going():
        handshake.link.cut()
        handshake.link.mend()
        handshake.link.stall_after(scene.luck.randint(1, 1_500), "down")
        session.link.stall_after(scene.luck.randint(1, 400), "up")
        # The handshake's own attempt is the first; the one that gives up on it is the second.
        before = {session.name: session.link.attempts, handshake.name: handshake.link.attempts + 1}
        scene.fault("stall of a session")
        scene.fault("stall of a handshake")
        noticed(scene, before)
        for box in scene.boxes:
            box.link.mend()
        scene.play(scene.luck.uniform(1.0, 30.0))


@scenario(Setup(settings=NO_BUCKET))
def cut_for_three_days(scene: Scene) -> None:
    """After three days without a link the position is live in two seconds, and stays so while the past arrives."""
    box = scene.box
    scene.stop(box.name)
    box.link.cut()
    scene.fault("cut for 3 days")
    three_days(box, scene.city.outbox_path(box.name), ROWS if scene.seconds >= MANY_WITHIN_S else FEW_ROWS)
    newest = scene.newest_row(box)
    box.link.delay(ONE_WAY_S)
    box.link.limit(BYTES_PER_S)
    scene.start(box.name)
    scene.settle(3.0)
    before = box.link.connections
    box.link.mend()
    if not connects(scene, box, before, 40.0, "it comes back"):
        return
    since_s = time.monotonic()
    scene.until(lambda: scene.late_s(box, since_s), 4 * LIVE_WITHIN_S)
    first_s = time.monotonic() - since_s
    scene.until(lambda: not scene.waiting(box, newest), 120.0, "three days are drained")
    late_s, drained_s = scene.late_s(box, since_s), time.monotonic()
    scene.settle(4.0)
    calm_s = max(scene.late_s(box, drained_s), default=0.0)  # how late they are on this machine without a backlog
    worst_s = max(late_s, default=99.0)
    scene.claim("a live position comes at once", first_s <= LIVE_WITHIN_S + calm_s, f"{first_s:.2f} s")
    scene.claim(
        "no live position waited for the past",
        worst_s <= LIVE_WITHIN_S + calm_s,
        f"{worst_s:.2f} s of {len(late_s)}, {calm_s:.2f} s without a past",
    )
    box.link.delay(0.0)
    box.link.limit(None)


@scenario()
def slammed(scene: Scene) -> None:
    """A broker that takes connections and dies at once sees a handful of attempts, and no storm."""
    underway(scene, scene.box)
    link, begun_s, before = scene.box.link, time.monotonic(), scene.box.link.attempts
    while scene.going():
        link.slam(scene.luck.choice(SLAMMED_AFTER_BYTES))
        scene.fault("slammed door")
        scene.play(2.0)
    few_attempts(scene, before, begun_s)


@scenario()
def captive_portal(scene: Scene) -> None:
    """A captive portal that answers HTTP in the broker's place hears no record, and is asked a handful of times."""
    underway(scene, scene.box)
    link, begun_s, before = scene.box.link, time.monotonic(), scene.box.link.attempts
    link.portal(PAGE)
    scene.fault("captive portal")
    while scene.going():
        scene.play(5.0)
    few_attempts(scene, before, begun_s)
    kinds = {told[0] for told in link.portal_heard if told}
    scene.claim("the portal heard the beginning of TLS and nothing else", kinds and kinds <= TLS_RECORDS, kinds)


# ---------------------------------------------------------------- what they share


def noticed(scene: Scene, before: dict[str, int]) -> None:
    """Every box tries anew, in time."""
    begun_s = time.monotonic()
    took_s: dict[str, float] = {}

    def look() -> bool:
        for box in scene.boxes:
            if box.link.attempts > before[box.name]:
                took_s.setdefault(box.name, time.monotonic() - begun_s)
        return len(took_s) == len(scene.boxes)

    held = scene.until(look, NOTICED_WITHIN_S)
    scene.claim("a dead link is left within 1.5 keep-alives", held, {n: round(s, 1) for n, s in took_s.items()})


def few_attempts(scene: Scene, before: int, begun_s: float) -> None:
    """Pauses between attempts grow."""
    made = scene.box.link.attempts - before
    most = FIRST_ATTEMPTS + (time.monotonic() - begun_s) / ATTEMPT_EVERY_S
    scene.claim("attempts are few, and there are some", 2 <= made <= most, f"{made} of {most:.0f}")
