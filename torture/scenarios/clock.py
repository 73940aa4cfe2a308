"""clock: what is wrong about the time on the box, in the sky, and at the centre."""

from __future__ import annotations

import time
from typing import Final

from broker.fixes import fixes_of
from edge.clock import BUILT_UTC_MS
from edge.memory import Memory
from edge.sim.receiver import Written
from torture.box import Box
from torture.drive import undated
from torture.scenario import Setup, scenario
from torture.scene import Scene
from torture.underway import connects, underway
from wire.kinds import KIND_TRACK

DAY_S: Final = 86_400
YEARS_20_S: Final = 20 * 31_557_600
WEEKS_1024_S: Final = 1024 * 7 * DAY_S
HALF_A_YEAR_S: Final = 182 * DAY_S
# A day and an hour: a clock that is off by no more than a day is taken for a slow one, on both sides.
MORE_THAN_A_DAY_S: Final = 25 * 3600
IN_2046: Final = 2_411_000_000  # Unix s, 2046-05-27
CONNECTS_WITHIN_S: Final = 20.0
ARRIVES_WITHIN_S: Final = 60.0  # a box that has just started asks within 15 s
MARKER_WITHIN_S: Final = 15.0
# A date from a boot's clock: how late the bytes came in when the clock was tied, and now.
BY_ANCHOR_MS: Final = 1_000
# From a parcel's stamps: a link adds delay, and is believed within a second (broker/times.py: tighter).
BY_STAMP_MS: Final = 2_500
BETWEEN_BOOTS_MS: Final = 20_000  # of what only its neighbours can date: each record says how far it may be off


@scenario(Setup(clock=True))
def at_1970(scene: Scene) -> None:
    """A box that starts in 1970 under no sky is at its broker in seconds, and none of its records is of 1970."""
    box = scene.box
    underway(scene, box)
    while scene.going():
        box.receiver.lose_fix()
        scene.stop(box.name)
        os_clock(box, -int(time.time()) + 60)
        scene.fault("start in 1970")
        before, boots = box.link.connections, scene.events(box).count("boot")
        scene.start(box.name)
        connects(scene, box, before, CONNECTS_WITHIN_S, "it is let in, and lets the broker in")
        arrived = scene.until(lambda: scene.events(box).count("boot") > boots, CONNECTS_WITHIN_S)  # noqa: B023
        scene.claim("its records arrive before it has seen the sky", arrived)
        box.receiver.find_fix()
        scene.play(scene.luck.uniform(2.0, 20.0))
    off_s = [abs((e.utc_ms or 0) - e.stored_utc_ms) / 1000 for e in scene.entries(box)]
    scene.claim("every record is of these minutes", max(off_s) < 600, f"{max(off_s):.1f} s between record and store")


@scenario(Setup(clock=True, boots=True, said=undated, tolerance_ms=BETWEEN_BOOTS_MS, least_s=12.0))
def never_sane(scene: Scene) -> None:
    """Where nobody ever says a date the centre dates every fix all the same, and says of each how sure it is."""
    box = scene.box
    os_clock(box, -int(time.time()) + 60)
    scene.reboot(box)
    before = box.link.connections
    connects(scene, box, before, CONNECTS_WITHIN_S, "it connects without a date")
    scene.play(4.0)
    while True:
        box.link.cut()
        scene.reboot(box)  # no parcel of this boot will ever be sent in it
        scene.settle(scene.luck.uniform(2.0, 4.0))
        before = box.link.connections
        scene.reboot(box)
        box.link.mend()
        connects(scene, box, before, CONNECTS_WITHIN_S, "it connects after another boot")
        if not scene.going():
            break
        scene.play(scene.luck.uniform(1.0, 30.0))
    scene.until(lambda: scene.owed(box) <= scene.stored(box), ARRIVES_WITHIN_S, "all of it arrives")
    said = {epoch.key: epoch.utc_ms for epoch in box.told}
    tracks = scene.entries(box, KIND_TRACK)
    worst_ms = 0.0
    for entry in tracks:
        for utc_ms, lat, lon, *_ in fixes_of(entry):
            true_ms = said[box.key(utc_ms, lat or 0, lon or 0)] or 0
            worst_ms = max(worst_ms, abs((utc_ms or 0) - true_ms) - 1000 * (entry.time_doubt_s or 0.0))
    scene.claim("none is further off than it says", worst_ms <= BY_STAMP_MS, f"{worst_ms:.0f} ms beyond its doubt")
    doubted = sum(entry.time_doubt_s is not None for entry in tracks)
    scene.claim("what no parcel could date says so", 0 < doubted < len(tracks), f"{doubted} of {len(tracks)} records")


@scenario(Setup(clock=True, tolerance_ms=BY_ANCHOR_MS, least_s=14.0))
def receiver_jumps(scene: Scene) -> None:
    """A receiver whose date jumps by a day or by twenty years costs no record, and moves no marker."""
    box = scene.box
    box.dated = as_believed
    underway(scene, box)
    while scene.going():
        for jump_s in scene.luck.sample((MORE_THAN_A_DAY_S, -MORE_THAN_A_DAY_S, YEARS_20_S, -YEARS_20_S), 4):
            box.receiver.step_clock(jump_s)
            scene.fault(f"jump of the sky {jump_s:+d} s")
            scene.settle(2.0)
            box.receiver.step_clock(-jump_s)
            scene.settle(1.0)
    forgotten(scene, box)


@scenario(Setup(clock=True, least_s=12.0))
def spoofed_2046(scene: Scene) -> None:
    """A sky that says 2046 keeps no box from its broker for long, and is forgotten with the first honest fix."""
    box = scene.box
    underway(scene, box)
    while scene.going():
        spoof_s = IN_2046 - int(time.time())
        box.receiver.step_clock(spoof_s)
        scene.fault("spoofed 2046")
        scene.settle(2.0)
        before = box.link.connections
        box.link.cut()
        box.link.mend()
        connects(scene, box, before, CONNECTS_WITHIN_S, "who has heard the centre is let in under the spoofed sky")
        box.link.cut()  # the next life hears the spoofed sky, and then its broker
        killed_s = time.monotonic()
        scene.kill(box.name)
        scene.until(lambda: listens_since(scene, box, killed_s), CONNECTS_WITHIN_S)  # noqa: B023
        scene.settle(2.0)
        box.link.mend()
        scene.settle(2.0)
        box.receiver.step_clock(-spoof_s)
        scene.settle(3.0)
        scene.until(lambda: live(scene, box), CONNECTS_WITHIN_S, "it is back as soon as the sky is honest")
        scene.play(scene.luck.uniform(0.0, 30.0))
    forgotten(scene, box)


@scenario(Setup(clock=True))
def os_clock_jumps(scene: Scene) -> None:
    """The OS clock of a box may jump by a day or twenty years: no record has its time, and the link comes back."""
    box = scene.box
    underway(scene, box)
    while scene.going():
        for jump_s in scene.luck.sample((DAY_S, -DAY_S, YEARS_20_S, -YEARS_20_S), 4):
            os_clock(box, jump_s)
            scene.fault(f"jump of the OS clock {jump_s:+d} s")
            before = box.link.connections
            box.link.cut()
            box.link.mend()
            connects(scene, box, before, CONNECTS_WITHIN_S, "it connects whatever the OS clock says")
            scene.settle(1.0)
    os_clock(box, 0)


@scenario(Setup(clock=True))
def to_and_fro(scene: Scene) -> None:
    """Clocks that go back and forth by hours while a backlog grows and drains lose none of it, and store it as said."""
    box = scene.box
    underway(scene, box)
    off_s = 0
    while scene.going():
        box.link.cut()
        scene.fault("cut")
        for _ in range(4):
            step_s = scene.luck.choice((-7200, -3600, 3600, 7200)) + scene.luck.randint(1, 50) - off_s
            off_s += step_s
            box.receiver.step_clock(step_s)
            os_clock(box, -off_s)
            scene.fault("clock set")
            scene.settle(1.0)
        box.link.mend()
        scene.play(scene.luck.uniform(1.0, 40.0))
    box.receiver.step_clock(-off_s)


@scenario(Setup(clock=True))
def week_rollover(scene: Scene) -> None:
    """A receiver that is 1024 weeks behind is right again on the wire, also after a restart."""
    box = scene.box
    box.dated = lambda written: None if written.utc_ms is None else written.utc_ms - written.step_ms
    box.receiver.step_clock(-WEEKS_1024_S)
    scene.fault("week rollover")
    underway(scene, box)
    while scene.going():
        scene.play(scene.luck.uniform(2.0, 20.0))
        scene.kill(box.name)


@scenario(Setup(clock=True, tolerance_ms=BY_ANCHOR_MS, least_s=20.0))  # five wrong times, a session in and after each
def wrong_centre(scene: Scene) -> None:
    """A centre whose clock is wrong by a day, half a year or twenty dates no record, and no box is locked out by it."""
    box, centre = scene.box, scene.centre_clock
    assert centre is not None
    underway(scene, box)
    while scene.going():
        for off_s in scene.luck.sample((DAY_S, -DAY_S, HALF_A_YEAR_S, YEARS_20_S, -YEARS_20_S), 5):
            centre.set(off_s)
            scene.fault(f"clock of the centre {off_s:+d} s")
            session(scene, box, "it is let in while the centre is wrong")
            scene.settle(1.0)
            centre.set(0)
            session(scene, box, "it is let in when the centre is right again")
    forgotten(scene, box)


# ---------------------------------------------------------------- what they share


def as_believed(written: Written) -> int | None:
    """When a fix is that is said by a receiver whose date has jumped.

    More than a day back it is below the floor, and the boot's clock knows better. Twenty years back it is taken for a
    receiver of an old week number, which leads into the 2040s; stored as that, flagged as in the future.
    """
    if written.utc_ms is None:
        return None
    if -YEARS_20_S * 1000 < written.step_ms < -DAY_S * 1000:
        return written.utc_ms - written.step_ms
    utc_ms = written.utc_ms
    while utc_ms < BUILT_UTC_MS:
        utc_ms += WEEKS_1024_S * 1000
    return utc_ms


def os_clock(box: Box, offset_s: int) -> None:
    """Set the OS clock of a box that has one of its own."""
    assert box.clock is not None
    box.clock.set(offset_s)


def session(scene: Scene, box: Box, claim: str) -> None:
    """A new session, whose first receipt comes at once."""
    before = box.link.connections
    box.link.cut()
    box.link.mend()
    connects(scene, box, before, CONNECTS_WITHIN_S, claim)
    scene.settle(1.0)


def listens_since(scene: Scene, box: Box, since_s: float) -> bool:
    """A life that began after that has its port open."""
    opened = scene.opened(box)
    return bool(opened) and opened[-1].from_s > since_s


def live(scene: Scene, box: Box) -> bool:
    """A position that was said a moment ago is stored."""
    now_s = time.monotonic()
    recent = {epoch.key for epoch in list(box.told)[-25:] if epoch.first_byte_s > now_s - 3.0}
    return bool(recent & scene.stored(box))


def forgotten(scene: Scene, box: Box) -> None:
    """The sky and the centre are right again: so is the live marker, and the floor that the box remembers."""

    def marked_now() -> bool:
        return abs(scene.consumer.marker_utc_ms(box.name) - time.time_ns() // 1_000_000) < MARKER_WITHIN_S * 1000

    scene.until(marked_now, MARKER_WITHIN_S, "the live marker is of now")
    floor_ms = Memory(scene.city.documents_path(box.name)).recall("floor_utc_ms", 0)
    ahead_s = floor_ms / 1000 - time.time()
    scene.claim("the floor it remembers is not ahead by more than a day", ahead_s <= DAY_S, f"{ahead_s:.0f} s")
