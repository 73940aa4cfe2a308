"""The main loop with all its real parts, and looks that the test brings: what comes out is what is in the outbox."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from gpiozero.pins.mock import MockFactory

from bench.scenes import Scene, Weather
from edge.budget import Budget, Plan
from edge.camera_node.ear import Heard
from edge.camera_node.eye import Eye, Sight, Taken
from edge.camera_node.live import Allowed, Live
from edge.camera_node.node import LARGE_PX, SAID_AGAIN_S, SKEW_S, Around, Lens, Node, Seen
from edge.camera_node.onvif import Alarm, Identity
from edge.camera_node.picture import CHROMA_SHAPE, LUMA_SHAPE, Picture
from edge.camera_node.pole import COMMON_HOLD_S, Pole
from edge.camera_node.probing import Failure, Outcome
from edge.camera_node.record import Recorder
from edge.camera_node.recovery import CUT_OFF_S, STAYS_S, USELESS_AFTER, Ladder
from edge.camera_node.snapshots import LARGE_BYTES, Snapshots
from edge.camera_node.updating import Updating
from edge.camera_node.watched import OFFLINE_AFTER_S, Watched
from edge.clock import Clock
from edge.health import Health, Sources
from edge.memory import Memory
from edge.outbox import Outbox
from edge.outbox_reader import OutboxReader
from edge.relays import Coil, Relays
from edge.today import Today, Traffic
from running.turns import LoopStop, StopSwitch
from wire import records_pb2
from wire.kinds import CLASS_BULKY, CLASS_STATUS, KIND_CAMERA, KIND_EVENT, KIND_HEALTH, KIND_SNAPSHOT

NAMES = ("gate", "yard")
PIN = 17  # both cameras' supply
URL = "rtsp://media.city/1"
EVERY_S = 5.0
DARK = Picture(np.zeros(LUMA_SHAPE, np.uint8), *[np.full(CHROMA_SHAPE, 128, np.uint8)] * 2, 1280, 720, False)


@pytest.fixture(scope="module")
def street() -> list[Picture]:
    scene = Scene(3, busy_per_min=6)
    return [scene.picture(EVERY_S * number, Weather()) for number in range(8)]


@dataclass
class Stream:
    """Where a live view leaves the box."""

    alive: bool = True
    sent_bytes: int = 0
    why: str = ""

    def stop(self) -> None:
        self.alive = False


@dataclass
class Site:
    """One pole whose clock, cameras and far end belong to the test."""

    folder: Path
    street: list[Picture]
    adopted: dict[str, str] = field(default_factory=dict)
    now_s: float = 1_000.0
    looks: dict[str, Failure | Picture | None] = field(default_factory=lambda: dict.fromkeys(NAMES))
    serial: dict[str, str] = field(default_factory=dict)
    rebooted: list[str] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    carrier: bool | None = None

    def __post_init__(self) -> None:
        self.factory = MockFactory()
        self.clock = Clock(
            boot_id=7, monotonic_s=lambda: self.now_s, boottime_ns=lambda: int(self.now_s * 1e9),
            ntp_synchronised=lambda: False,
        )  # fmt: skip
        self.outbox = Outbox(self.folder / "outbox.db", limit_bytes=10_000_000, clock=self.clock)
        self.reader = OutboxReader(self.folder / "outbox.db")
        self.start()

    def start(self) -> None:
        """The process begins, with what a former one kept."""
        memory = Memory(self.folder / "documents.db")
        learned = memory.recall("learned", {})
        self.seen = Seen()
        self.relays = Relays({"gpio17": Coil(PIN)}, factory=self.factory, monotonic_s=lambda: self.now_s)
        self.lenses = {name: self._lens(name, memory, learned.get(name)) for name in NAMES}
        self.live = Live(
            NAMES, self._push, Allowed({"media.city"}, ("rtsp",)), monotonic_s=lambda: self.now_s
        )  # fmt: skip
        self.snapshots = Snapshots(NAMES, now_s=self.now_s)
        budget = Budget(Plan(), self.clock, memory)
        sources = Sources(traffic=Traffic, rejected=dict, unobserved=dict)
        today = Today(self.clock, memory)
        health = Health(self.outbox, self.clock, sources, today=today, firmware="0.1.0", disk=self.folder)
        self.recorder = Recorder(self.outbox, self.clock, health, appended=lambda: None)
        self.node = Node(
            self.lenses.values(),
            self.seen,
            pole=Pole(memory.recall("pole", None)),
            relays=self.relays,
            live=self.live,
            updating=Updating(NAMES, monotonic_s=lambda: self.now_s),
            snapshots=self.snapshots,
            recorder=self.recorder,
            budget=budget,
            clock=self.clock,
            notes=memory,
            around=Around(carrier=lambda: self.carrier),
        )
        self.verbs = self.node.verbs()

    def _lens(self, name: str, memory: Memory, learned: Any) -> Lens:
        def keep(state: dict[str, Any]) -> None:
            memory.remember(f"ladder {name}", state)

        return Lens(
            watched=Watched(name, learned, adopted=self.adopted.get(name)),
            eye=Eye(Sight(name, "rtsp://192.0.2.7/1"), lambda: None, self.seen),
            ladder=Ladder(keep, memory.recall(f"ladder {name}", None), now_s=self.now_s),
            relay="gpio17",
            reboot=lambda: self.rebooted.append(name),
        )

    def _push(self, camera: str, url: str, *, small: bool) -> Stream:
        self.streams.append(Stream())
        return self.streams[-1]

    # ------------------------------------------------------------------ what happens

    def tell(self, *seen: Outcome | Taken | Heard) -> None:
        """As from an eye or an ear; the loop takes it and ends."""
        for one in seen:
            self.seen.put(one)
        self.run_out()

    def run_out(self) -> None:
        """The loop itself, told to stop in its first turn."""
        stop = threading.Event()
        self.node.run(stop.set, stop)

    def after(self, seconds: float) -> None:
        """A look at each camera each five seconds, and the node's turns each second."""
        for _ in range(int(seconds / EVERY_S)):
            for name, look in self.looks.items():
                self.lenses[name].watched.take(self._outcome(name, look))
            for _ in range(int(EVERY_S)):
                self.now_s += 1.0
                self.node.turn(self.now_s)
            self.recorder.turn()

    def _outcome(self, name: str, look: Failure | Picture | None) -> Outcome:
        picture = self.street[int(self.now_s / EVERY_S) % len(self.street)] if look is None else look
        known = {"camera": name, "serial_number": self.serial.get(name), "at_s": self.now_s}
        if isinstance(picture, Failure):
            return Outcome(picture, detail=f"it is {picture}", **known)  # type: ignore[arg-type]
        return Outcome(None, picture, 10.0, 800.0, **known)  # type: ignore[arg-type]

    # ------------------------------------------------------------------ what came of it

    def rows(self, kind: int) -> list[Any]:
        kinds: dict[int, Any] = {
            KIND_CAMERA: records_pb2.Camera, KIND_EVENT: records_pb2.Event, KIND_SNAPSHOT: records_pb2.Snapshot,
        }  # fmt: skip
        return [kinds[kind].FromString(row.body) for row in self.reader.above(0, 10_000) if row.kind == kind]

    def verdicts(self, camera: str = "gate") -> list[tuple[str, str]]:
        return [(one.verdict, one.cause) for one in self.rows(KIND_CAMERA) if one.camera == camera]

    def events(self, name: str) -> list[dict[str, str]]:
        return [dict(one.detail) for one in self.rows(KIND_EVENT) if one.name == name]

    def steps(self) -> list[str]:
        return [f"{one['camera']} {one['step']}" for one in self.events("camera_recovery")]

    @property
    def dark(self) -> bool:
        """Whether the cameras' supply is cut: the level on the wire."""
        return bool(self.factory.pin(PIN).state)

    def close(self) -> None:
        self.relays.close()
        self.reader.close()
        self.outbox.close()


@pytest.fixture
def site(tmp_path: Path, street: list[Picture]) -> Iterator[Site]:
    made = Site(tmp_path, street)
    yield made
    made.close()


# ---------------------------------------------------------------------- what is said


def test_a_camera_that_sees_is_said_once_then_once_more_when_its_view_is_learned_and_then_four_times_a_day(
    site: Site,
) -> None:
    site.after(120)
    reasons = [one.reason for one in site.rows(KIND_CAMERA) if one.camera == "gate"]
    assert reasons == ["the view is still being learned", "the view is as it was learned"]
    site.now_s += SAID_AGAIN_S
    site.after(60)
    assert site.verdicts() == [("seeing", "")] * 3


def test_one_that_goes_blind_is_said_with_its_picture_and_again_after_a_restart_since_when(site: Site) -> None:
    site.clock.heard_gnss(1_800_000_000_000)
    site.after(90)
    site.looks["gate"] = DARK
    site.after(60)
    assert site.verdicts()[-1] == ("black", "picture")
    (taken,) = site.rows(KIND_SNAPSHOT)
    assert (taken.camera, taken.why, taken.image[:2]) == ("gate", "black", b"\xff\xd8")
    assert [row.cls for row in site.reader.above(0, 10_000) if row.kind == KIND_SNAPSHOT] == [CLASS_BULKY]
    since_utc_ms = site.rows(KIND_CAMERA)[-1].since_utc_ms
    site.now_s += 3_600
    site.relays.close()
    site.start()
    site.after(60)
    last = [one for one in site.rows(KIND_CAMERA) if one.camera == "gate"][-1]
    assert (last.verdict, last.since_utc_ms) == ("black", since_utc_ms)
    assert [verdict for verdict, _ in site.verdicts()] == ["seeing", "seeing", "black", "black"], (
        "it did not see between"
    )
    site.relays.close()
    site.start()
    site.looks["gate"] = None
    site.after(90)
    assert site.verdicts()[-1] == ("seeing", "")


def test_a_short_trouble_is_no_verdict_and_a_long_one_is_offline_with_its_failure(site: Site) -> None:
    site.after(60)
    said = len(site.verdicts())
    site.looks["gate"] = Failure.PORT
    site.after(OFFLINE_AFTER_S - EVERY_S)
    site.looks["gate"] = None
    site.after(60)
    assert len(site.verdicts()) == said
    site.looks["gate"] = Failure.PORT
    site.after(OFFLINE_AFTER_S + 2 * EVERY_S)
    assert site.verdicts()[-1] == ("offline", "port")
    assert site.rows(KIND_SNAPSHOT) == [], "there is no picture of it"


def test_failures_that_take_turns_are_one_trouble_whose_name_does_not_flicker(site: Site) -> None:
    site.after(60)
    for _ in range(12):
        for failure in (Failure.CODEC, Failure.NO_FRAMES):
            site.looks["gate"] = failure
            site.after(10)
    assert [one for one in site.verdicts() if one[0] == "offline"] == [("offline", "no_frames")]
    site.looks["gate"] = Failure.PATH
    site.after(OFFLINE_AFTER_S + 2 * EVERY_S)
    assert site.verdicts()[-1] == ("offline", "path")


def test_cameras_that_nothing_answers_for_are_one_alarm_of_their_switch(site: Site) -> None:
    site.after(60)
    site.looks = dict.fromkeys(NAMES, Failure.ADDRESS)
    site.after(120)
    assert site.events("pole_alarm") == [
        {"cause": "switch", "cameras": "gate, yard", "why": "all 2 cameras at once, and the switch cannot be asked"}
    ]
    assert {site.verdicts(name)[-1] for name in NAMES} == {("offline", "switch")}
    assert site.steps() == [], "no relay is cut for a dead switch"
    site.looks = dict.fromkeys(NAMES)
    site.after(60)
    assert [one["cause"] for one in site.events("pole_alarm_over")] == ["switch"]


def test_an_alarm_that_stood_is_not_over_before_its_cameras_were_looked_at(site: Site) -> None:
    site.looks = dict.fromkeys(NAMES, Failure.ADDRESS)
    site.after(60)
    site.relays.close()
    site.start()
    for _ in range(60):  # packets, and no keyframe yet
        site.now_s += 1.0
        site.node.turn(site.now_s)
    assert site.events("pole_alarm_over") == []
    site.looks = dict.fromkeys(NAMES)
    site.after(60)
    assert len(site.events("pole_alarm_over")) == 1


def test_an_alarm_that_stood_before_a_restart_is_not_said_again_and_ends(site: Site) -> None:
    site.looks = dict.fromkeys(NAMES, Failure.ADDRESS)
    site.after(60)
    site.relays.close()
    site.start()
    site.after(60)
    assert len(site.events("pole_alarm")) == 1
    site.looks = dict.fromkeys(NAMES)
    site.after(60)
    assert len(site.events("pole_alarm_over")) == 1


def test_another_camera_at_the_address_is_said_and_is_not_ours_to_reboot(tmp_path: Path, street: list[Picture]) -> None:
    site = Site(tmp_path, street, adopted={"gate": "A1"}, serial={"gate": "A1", "yard": "any"})
    site.after(60)
    site.serial["gate"] = "B2"
    site.after(COMMON_HOLD_S + 2 * EVERY_S)
    words = "another camera answers there: serial number B2, adopted was A1"
    assert site.events("pole_alarm") == [{"cause": "address", "cameras": "gate", "why": words}]
    last = [one for one in site.rows(KIND_CAMERA) if one.camera == "gate"][-1]
    assert (last.verdict, last.cause, last.reason) == ("seeing", "address", words)
    site.looks["gate"] = Failure.NO_FRAMES
    site.after(180)
    assert (site.steps(), site.rebooted) == ([], [])
    site.looks["gate"], site.serial["gate"] = None, "A1"
    site.after(60)
    assert site.verdicts()[-1] == ("seeing", "")
    site.close()


def test_what_a_camera_says_of_itself_is_passed_on_and_a_wrong_clock_once(site: Site) -> None:
    who = Identity("pantau", "SimCamera", "1.0", "A1")

    def heard(skew_s: float | None) -> Heard:
        return Heard("gate", site.now_s, who, skew_s)

    wrong = [heard(SKEW_S), heard(-9 * SKEW_S), heard(None)]
    tamper = Heard("gate", site.now_s, alarm=Alarm("tamper", True))
    dusk = Heard("gate", site.now_s, alarm=Alarm("too_dark", False), changes=51)
    site.tell(tamper, dusk, *wrong, heard(1.0), heard(-SKEW_S))
    assert site.events("camera_says") == [
        {"camera": "gate", "what": "tamper", "state": "on"},
        {"camera": "gate", "what": "too_dark", "state": "off", "changes": "51"},
    ]
    assert [one["ahead_s"] for one in site.events("camera_clock_wrong")] == ["60", "-60"]


# ---------------------------------------------------------------------- recovery


def test_a_camera_that_hangs_is_rebooted_and_its_power_cut_only_when_the_other_one_sees_nothing_either(
    site: Site,
) -> None:
    site.after(60)
    site.looks["gate"] = Failure.NO_FRAMES
    site.after(300)
    assert (site.steps(), site.rebooted) == (["gate restart", "gate reboot"], ["gate"])
    assert not site.dark
    site.looks["yard"] = Failure.SLOW_FRAMES
    site.after(20)
    site.looks["yard"] = Failure.CODEC  # it answers, and shows nothing: nothing is lost with it
    site.after(EVERY_S)
    assert not site.dark, "few pictures are pictures, and one look may be a hiccup"
    site.after(OFFLINE_AFTER_S)
    assert (site.steps()[-1], site.dark) == ("gate cut", True)
    site.after(CUT_OFF_S)
    assert not site.dark
    so_far = {"camera": "gate", "tried": "1"}
    assert site.events("camera_not_recovered") == [
        {**so_far, "step": step, "helped_percent": "0"} for step in ("restart", "reboot")
    ]
    site.looks["gate"] = None
    site.after(2 * STAYS_S)
    (recovered,) = site.events("camera_recovered")
    assert float(recovered.pop("after_s")) >= CUT_OFF_S
    assert recovered == {**so_far, "step": "cut", "helped_percent": "100"}


def test_nothing_is_done_to_a_camera_while_it_or_one_on_its_relay_is_updated(site: Site) -> None:
    site.after(60)
    assert site.verbs["updating"]({"camera": "yard", "minutes": 5}) == "no recovery step for 5 min"
    site.looks = {"gate": Failure.NO_FRAMES, "yard": Failure.PORT}
    site.after(290)
    assert site.steps() == []
    assert site.lenses["gate"].ladder.held == "updating"
    site.after(60)
    assert site.steps() != []


def test_while_somebody_watches_only_our_own_stream_is_opened_anew(site: Site) -> None:
    site.after(60)
    site.looks["gate"] = Failure.NO_FRAMES
    for _ in range(4):
        site.verbs["live"]({"camera": "yard", "url": URL, "lease_s": 60})  # on the same relay
        site.after(50)
    assert (site.steps(), site.dark) == (["gate restart"], False)
    site.after(120)
    assert site.steps() == ["gate restart", "gate reboot"], "nobody watches any more"


def test_a_power_that_is_cut_is_no_fault_of_the_camera(site: Site) -> None:
    site.after(60)
    site.relays.cut("gpio17", 60.0)
    site.looks = dict.fromkeys(NAMES, Failure.POWER)
    site.after(50)
    assert {one["cause"] for one in site.events("pole_alarm")} == {"camera_power"}
    assert site.steps() == []


# ---------------------------------------------------------------------- what a person asks for


def test_a_picture_asked_for_comes_small_at_once_and_large_from_the_next_keyframe(site: Site) -> None:
    site.after(10)
    assert site.verbs["snapshot"]({"camera": "gate"}) == "a picture follows"
    site.after(5)
    assert [one.camera for one in site.rows(KIND_SNAPSHOT)] == ["gate"]
    assert site.verbs["snapshot"]({"camera": "gate", "large": True}) == "a large picture follows"
    site.tell(Taken("gate", b"\xff\xd8" + bytes(50_000), LARGE_PX, site.now_s))
    assert len(site.rows(KIND_SNAPSHOT)[-1].image) == 50_002


def test_a_large_one_of_a_camera_that_gives_no_picture_is_refused(site: Site) -> None:
    site.looks["gate"] = Failure.PORT
    site.after(EVERY_S)
    with pytest.raises(ValueError, match="no picture: port"):
        site.verbs["snapshot"]({"camera": "gate", "large": True})


def test_one_that_is_too_large_even_for_large_comes_smaller(site: Site) -> None:
    site.after(10)
    site.seen.put(Taken("gate", b"\xff\xd8" + bytes(LARGE_BYTES), LARGE_PX, site.now_s))
    site.node._take(site.seen.get())
    site.after(5)
    (taken,) = site.rows(KIND_SNAPSHOT)
    assert 1_000 < len(taken.image) <= LARGE_BYTES
    assert site.snapshots.left_out == {"too_large": 1}


def test_the_view_may_be_accepted_and_is_known_to_the_next_process(site: Site) -> None:
    site.after(90)
    assert site.verbs["accept_view"]({"camera": "gate"}) == "this is the view from now on"
    kept = Memory(site.folder / "documents.db").recall("learned", {})
    assert kept["gate"]["judge"]["lights"] == {} and kept["yard"]["judge"]["lights"] != {}


def test_what_was_given_up_is_tried_again_once_somebody_was_there(site: Site) -> None:
    useless = dict.fromkeys(["restart", "reboot", "cut"], USELESS_AFTER)
    Memory(site.folder / "documents.db").remember("ladder gate", {"useless": useless})
    site.relays.close()
    site.start()
    site.looks["gate"] = Failure.NO_FRAMES
    site.after(60)
    assert (site.steps(), site.lenses["gate"].ladder.held) == ([], "given_up")
    assert site.verbs["camera_mended"]({"camera": "gate"}) == "what did not help may be tried again"
    site.after(EVERY_S)
    assert site.steps() == ["gate restart"]


@pytest.mark.parametrize("verb", ["snapshot", "live", "live_end", "updating", "accept_view", "camera_mended"])
@pytest.mark.parametrize("camera", [None, "roof", ["gate"]])
def test_a_camera_that_there_is_not_is_refused(site: Site, verb: str, camera: object) -> None:
    with pytest.raises(ValueError, match="no such camera"):
        site.verbs[verb]({"camera": camera, "url": URL, "minutes": 1})


# ---------------------------------------------------------------------- the end


def woken_all_the_while(folder: Path) -> None:
    """A process of its own: signals come every 100 us for a second, and each wakes the loop, as a stop does."""
    site, until_s = Site(folder, []), time.monotonic() + 1.0
    switch = StopSwitch()
    stop = LoopStop(switch, on_turn=lambda: None if time.monotonic() < until_s else switch.set())
    signal.signal(signal.SIGALRM, lambda *_: site.node.wake())
    signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
    site.node.run(lambda: None, stop)
    signal.setitimer(signal.ITIMER_REAL, 0)
    site.close()


def test_a_signal_in_the_middle_of_anything_may_wake_the_loop(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=woken_all_the_while, args=(tmp_path,))
    process.start()
    process.join(30)
    process.kill()  # one that waits for a lock which it holds itself minds nothing else
    process.join()
    assert process.exitcode == 0


def test_a_stop_ends_live_views_gives_power_back_keeps_what_was_learned_and_says_the_last(site: Site) -> None:
    site.after(90)
    site.verbs["live"]({"camera": "gate", "url": URL, "lease_s": 60})
    site.relays.cut("gpio17", 60.0)
    pin = cast(Any, site.factory.pin(PIN))
    assert pin.state
    site.node.wake()
    site.run_out()
    assert not site.streams[0].alive
    assert not pin.state
    assert set(Memory(site.folder / "documents.db").recall("learned", {})) == set(NAMES)
    last = site.reader.above(0, 10_000)[-1]
    assert (last.kind, last.cls) == (KIND_HEALTH, CLASS_STATUS)
