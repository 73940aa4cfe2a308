"""ONVIF against a camera of our own that takes no liberties: digest, nonces, clocks, pull-points, reboots."""

from __future__ import annotations

import gzip
import itertools
import queue
import re
import threading
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onveef.wsdiscovery import DiscoveredDevice

from edge.camera_node.discovery import _found, discover
from edge.camera_node.ear import Ear, Heard
from edge.camera_node.onvif import ALARMS, Alarm, OnvifCamera, OnvifFailed, alarms
from edge.camera_node.probing import Credentials, Failure
from edge.camera_node.says import TOLD_EVERY_S, Says
from edge.camera_node.tries import Tries
from edge.sim.onvif_device import OnvifDevice
from stage.namespace import CENTRE_ADDRESS, NamespaceRefused, link

SOON_S = 30.0
GOOD = Credentials("viewer", "s3cret:p@ss/ü %")
STREAM = "rtsp://127.0.0.1:8554/stream1"


@pytest.fixture
def device() -> Iterator[OnvifDevice]:
    with OnvifDevice(STREAM, GOOD.user, GOOD.password, serial_number="A1") as running:
        yield running


@pytest.fixture
def camera(device: OnvifDevice) -> Iterator[OnvifCamera]:
    asked = OnvifCamera(device.address, device.port, GOOD)
    yield asked
    asked.close()


def test_it_says_who_it_is_and_what_it_offers(camera: OnvifCamera) -> None:
    who = camera.identity()
    assert (who.manufacturer, who.model, who.firmware, who.serial_number) == ("pantau", "SimCamera", "1.0", "A1")
    main, sub = camera.streams()
    assert (main.name, main.codec, main.width_px, main.height_px, main.frames_per_s) == ("main", "H264", 1920, 1080, 25)
    assert main.stream_url == STREAM
    assert main.snapshot_url is not None and main.snapshot_url.endswith("/snapshot.jpg")
    assert sub.width_px == 640


@pytest.mark.parametrize("skew_s", [0.0, 86_400.0, -40_000_000.0])
def test_a_camera_whose_clock_is_wrong_is_heard_all_the_same(
    device: OnvifDevice, camera: OnvifCamera, skew_s: float
) -> None:
    device.skew_s = skew_s
    assert camera.skew_s(datetime.now(UTC)) == pytest.approx(skew_s, abs=10.0)
    assert camera.identity().serial_number == "A1"


def test_a_wrong_password_is_said_and_seldom_shown(device: OnvifDevice) -> None:
    asked = OnvifCamera(device.address, device.port, Credentials("viewer", "hunter2"))
    with pytest.raises(OnvifFailed) as failed:
        asked.identity()
    asked.close()
    assert failed.value.failure is Failure.AUTHENTICATION
    assert "hunter2" not in repr(failed.value)
    assert device.refused <= 3


def test_alarms_come_as_they_change(device: OnvifDevice, camera: OnvifCamera) -> None:
    device.alarm("motion")  # none of ours
    device.alarm("tamper")
    heard: list[Alarm] = []
    until_s = time.monotonic() + SOON_S
    for wanted, change in (("tamper", "blurry"), ("blurry", "scene_change"), ("scene_change", "too_dark")):
        while wanted not in {alarm.kind for alarm in heard} and time.monotonic() < until_s:
            heard += camera.alarms()
        device.alarm(change)
    assert [alarm.kind for alarm in heard if alarm.on][:3] == ["tamper", "blurry", "scene_change"]
    assert device.subscriptions == 1


def test_a_reboot_is_asked_for_once(device: OnvifDevice, camera: OnvifCamera) -> None:
    camera.reboot()
    assert device.reboots == 1


def test_a_dripping_answer_ends_at_its_deadline(device: OnvifDevice) -> None:
    device.drip()
    asked = OnvifCamera(device.address, device.port, GOOD, within_s=1.0)
    begun_s = time.monotonic()
    with pytest.raises(OnvifFailed) as failed:
        asked.identity()
    asked.close()
    assert failed.value.failure is Failure.PORT
    assert time.monotonic() - begun_s < 8.0


def test_a_packed_answer_is_not_unpacked(device: OnvifDevice, camera: OnvifCamera) -> None:
    device.packed = b"".join(gzip.compress(bytes(10_000_000)) for _ in range(20))
    assert len(device.packed) < 250_000
    tracemalloc.start()
    try:
        for _ in range(3):  # more than connections
            with pytest.raises(OnvifFailed) as failed:
                camera.identity()
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert failed.value.failure is Failure.PORT
    assert peak_bytes < 10_000_000
    device.packed = b""
    assert camera.identity().serial_number == "A1"


def test_nobody_there_is_the_port() -> None:
    asked = OnvifCamera("127.0.0.1", 9, GOOD, within_s=2.0)
    with pytest.raises(OnvifFailed) as failed:
        asked.identity()
    assert failed.value.failure is Failure.PORT


values = st.none() | st.text(max_size=8) | st.booleans() | st.dictionaries(st.text(max_size=4), st.text(max_size=6))


@given(st.lists(st.fixed_dictionaries({}, optional={"topic": values, "data": values})))
def test_whatever_a_camera_sends_only_known_alarms_come_out(messages: list[dict[str, object]]) -> None:
    assert {alarm.kind for alarm in alarms(messages)} <= set(ALARMS.values())


@pytest.mark.parametrize(
    ("topic", "data", "told"),
    [
        ("tns1:VideoSource/ImageTooDark/ImagingService", {"State": "true"}, [Alarm("too_dark", True)]),
        ("tns1:VideoSource/GlobalSceneChange/AnalyticsService", {"State": "0"}, [Alarm("scene_change", False)]),
        ("tns1:RuleEngine/tnsmaker:TamperDetector/Tamper", {"IsTamper": "1"}, [Alarm("tamper", True)]),
        ("tns1:RuleEngine/CellMotionDetector/Motion", {"IsMotion": "true"}, []),
        ("tns1:VideoSource/ImageTooDark/ImagingService", {"State": "perhaps"}, []),
    ],
)
def test_topics_of_other_makers_are_understood(topic: str, data: dict[str, str], told: list[Alarm]) -> None:
    assert list(alarms([{"topic": topic, "data": data}])) == told


def test_an_ear_ends_in_time_beside_a_camera_that_drips(device: OnvifDevice) -> None:
    listening = Listening(device, GOOD)
    listening.heard.get(timeout=SOON_S)
    device.drip()
    time.sleep(0.5)
    assert listening.end() < 5.0 + 3.0


class Listening:
    def __init__(self, device: OnvifDevice, credentials: Credentials) -> None:
        self.heard: queue.Queue[Heard] = queue.Queue()
        self.tries = Tries()
        where = (device.address, device.port)
        self.ear = Ear(
            "gate",
            *where,
            lambda: credentials,
            self.heard,
            self.tries,
            utc=lambda: datetime.now(UTC),
            who_every_s=0.1,
            told_every_s=3.0,
        )
        self.stop = threading.Event()
        self._thread = threading.Thread(target=self.ear.run, args=(self.stop,), name="ear")
        self._thread.start()

    @property
    def runs(self) -> bool:
        return self._thread.is_alive()

    def end(self) -> float:
        begun_s = time.monotonic()
        self.stop.set()
        self._thread.join()
        return time.monotonic() - begun_s


def test_an_ear_hears_alarms_and_another_camera_behind_the_address(device: OnvifDevice) -> None:
    listening = Listening(device, GOOD)
    try:
        first = listening.heard.get(timeout=SOON_S)
        assert first.identity is not None and first.skew_s is not None and abs(first.skew_s) < 10
        device.alarm("tamper")
        device.serial_number = "B2"
        told = {first.identity.serial_number}
        alarms = []
        until_s = time.monotonic() + SOON_S
        while ("B2" not in told or not alarms) and time.monotonic() < until_s:
            one = listening.heard.get(timeout=SOON_S)
            told |= {one.identity.serial_number} if one.identity else set()
            alarms += [one.alarm] if one.alarm else []
        assert alarms == [Alarm("tamper", True)]
        assert listening.ear.serial() == "B2"
        listening.ear.reboot()
        assert device.reboots == 1
    finally:
        assert listening.end() < 5.0 + 3.0


def test_a_camera_that_answers_at_once_and_flips_is_asked_each_second_and_told_seldom(device: OnvifDevice) -> None:
    device.hurried = True
    listening = Listening(device, GOOD)
    begun_s = time.monotonic()
    while "PullMessages" not in device.asked and time.monotonic() < begun_s + SOON_S:
        time.sleep(0.05)
    begun_s = time.monotonic()
    for number in range(51):
        device.alarm("too_dark", on=number % 2 == 0)
    time.sleep(2.0)
    device.alarm("too_dark", on=False)
    asked, most = device.asked.count("PullMessages"), 2 + (time.monotonic() - begun_s)
    told: list[Heard] = []
    while len(told) < 2 and time.monotonic() < begun_s + SOON_S:
        one = listening.heard.get(timeout=SOON_S)
        told += [one] if one.alarm else []
    time.sleep(1.5)
    listening.end()
    assert asked <= most, "one each second"
    told += [one for one in listening.heard.queue if one.alarm]
    assert [(one.alarm, one.changes) for one in told] == [(Alarm("too_dark", True), 1), (Alarm("too_dark", False), 51)]
    assert told[1].at_s - told[0].at_s >= 3.0


changed = st.tuples(st.floats(0, 200), st.sampled_from(["tamper", "blurry"]), st.booleans())


@given(st.lists(changed, max_size=60))
def test_an_alarm_is_told_once_a_minute_at_most_and_what_holds_is_told_in_the_end(
    flips: list[tuple[float, str, bool]],
) -> None:
    says, told, stands, changes = Says(), list[tuple[float, str, bool]](), dict[str, bool](), 0
    for at_s, kind, on in sorted(flips):
        says.heard(kind, on)
        changes += stands.get(kind, False) != on
        stands[kind] = on
        for due_kind, due_on, counted in says.due(at_s):
            told.append((at_s, due_kind, due_on))
            changes -= counted
    for kind, on, counted in says.due(1_000.0):
        told.append((1_000.0, kind, on))
        changes -= counted
    assert changes == 0, "each is counted once"
    for kind, on in stands.items():
        of_kind = [(at_s, was_on) for at_s, told_kind, was_on in told if told_kind == kind]
        assert all(later - sooner >= TOLD_EVERY_S for (sooner, _), (later, _) in itertools.pairwise(of_kind))
        assert (of_kind or [(0.0, False)])[-1][1] == on


def test_a_camera_that_talks_much_of_itself_is_cut_short(device: OnvifDevice, camera: OnvifCamera) -> None:
    device.serial_number = "A" * 5_000
    assert camera.identity().serial_number == "A" * 64


YEAR, EVENTS_AT = r"<tt:Year>\d+", r"http://[^<]*/onvif/events"


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ('Digest realm="c", nonce="1", qop="auth-int"', Failure.AUTHENTICATION),
        ('Digest realm="c", nonce="1", algorithm=SHA-512-256', Failure.AUTHENTICATION),
        ("Digest nonsense", Failure.AUTHENTICATION),
        ('Digest realm="c"', Failure.AUTHENTICATION),
        ((YEAR, "<tt:Year>1e999"), Failure.PATH),
        ((EVENTS_AT, "ftp://192.0.2.1/events"), Failure.PORT),
    ],
)
def test_no_answer_ends_an_ear(device: OnvifDevice, answer: str | tuple[str, str], failure: Failure) -> None:
    if isinstance(answer, str):
        device.challenge = answer
    else:
        device.garble(*answer)
    listening = Listening(device, GOOD)
    until_s = time.monotonic() + SOON_S
    while listening.ear.lost is None and listening.runs and time.monotonic() < until_s:
        time.sleep(0.05)
    runs = listening.runs
    listening.end()
    assert runs
    assert listening.ear.lost is not None and listening.ear.lost.failure is failure
    assert (listening.tries.wait_s(GOOD) > 800) == (failure is Failure.AUTHENTICATION), "a refusal is counted"


@pytest.mark.parametrize("answer", [(YEAR, "<tt:Year>1e30"), (EVENTS_AT, "/onvif/events")])
def test_a_date_that_is_none_and_a_service_without_a_host_are_lived_with(
    device: OnvifDevice, answer: tuple[str, str]
) -> None:
    device.garble(*answer)
    device.alarm("tamper")
    listening = Listening(device, GOOD)
    heard = [listening.heard.get(timeout=SOON_S)]
    while heard[-1].alarm is None:
        heard.append(listening.heard.get(timeout=SOON_S))
    listening.end()
    assert heard[0].identity is not None and heard[-1].alarm == Alarm("tamper", True)


def test_streams_at_addresses_that_are_none_are_passed_over(device: OnvifDevice, camera: OnvifCamera) -> None:
    device.garble(re.escape(STREAM), "rtsp://[")
    assert camera.streams() == []


def test_an_ear_does_not_hammer(device: OnvifDevice) -> None:
    wrong = Credentials("viewer", "wrong")
    listening = Listening(device, wrong)
    until_s = time.monotonic() + SOON_S
    while listening.ear.lost is None and time.monotonic() < until_s:
        time.sleep(0.05)
    with pytest.raises(OnvifFailed, match="not tried again"):
        listening.ear.reboot()
    assert listening.end() < 5.0
    assert listening.tries.wait_s(wrong) > 800
    assert device.refused <= 3


def test_a_camera_without_events_is_no_failure() -> None:
    with OnvifDevice(STREAM, GOOD.user, GOOD.password, events=False) as device:
        listening = Listening(device, GOOD)
        for _ in range(2):
            assert listening.heard.get(timeout=SOON_S).identity is not None
        assert listening.ear.lost is None
        listening.end()


def test_cameras_that_answer_are_found() -> None:
    try:
        with link() as cameras, OnvifDevice(STREAM, "", "", address=CENTRE_ADDRESS) as device:
            device.answer_discovery()
            box_address = f"{CENTRE_ADDRESS.rpartition('.')[0]}.2"
            with cameras.entered():
                found = discover(box_address, listen_s=1.5)
    except NamespaceRefused as refused:
        pytest.skip(str(refused))
    assert [(one.address, one.onvif_port, one.name, one.hardware) for one in found] == [
        (CENTRE_ADDRESS, device.port, "SimCamera", "sim")
    ]


def test_what_discovery_tells_is_read_with_care() -> None:
    assert (
        _found(DiscoveredDevice("", xaddrs=["http://[", "http://camera.example.org/x", "http://192.0.2.1:x/"])) is None
    )
    one = _found(DiscoveredDevice("", xaddrs=["http://[", "http://192.0.2.1/x"], name="a\x1b[2J"))
    assert one is not None and (one.address, one.onvif_port, one.name) == ("192.0.2.1", 80, "a[2J")
