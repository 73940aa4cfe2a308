"""A pole with cameras that hang, lie and refuse beside one that sees: a real node, broker and bridge, real RTSP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from outing import eventually
from poles import UNIT, events, pole_plan, verdicts

from broker.config import load_centre
from broker.downlink import Downlink
from broker.orders import order
from edge.camera_node.hysteresis import PROOF_S, Grade
from edge.sim.cameras import CameraHost, Certificate, SimCamera, missing
from edge.sim.onvif_device import OnvifDevice
from edge.sim.rtsp_liar import Lie, RtspLiar
from stage.city import City

pytestmark = pytest.mark.timeout(280)

LIES: dict[str, tuple[Lie, set[str]]] = {  # what each serves, and what may be said of it
    "endless": ("endless_headers", {"port"}),
    "garbage": ("garbage", {"codec", "no_frames", "port"}),
    "huge": ("huge", {"codec"}),
}
WITHIN_S = 90.0
LEASE_S = 12
RENEWED_AFTER_S = 4.0
WATCHED_FOR_S = 2.0
BUSY_S = 20.0  # what a busy machine may add; a stall alone takes 20 s to be said


@dataclass(frozen=True, kw_only=True)
class Pole:
    """What a test takes hold of."""

    city: City
    yard: SimCamera
    locked: SimCamera
    locked_onvif: OnvifDevice
    hanging: CameraHost
    host: CameraHost

    def told(self, camera: str, verdict: str, causes: set[str], *, after: int = 0) -> float:
        """Seconds until that verdict on the camera was at the centre, among the records after so many."""

        def known() -> bool:
            return any(c == camera and v == verdict and why in causes for c, v, why in verdicts(self.city)[after:])

        return eventually(known, WITHIN_S, lambda: f"{verdicts(self.city)}\n{self.city.children[UNIT].tail()}")

    def command(self, verb: str, *words: str) -> tuple[bool, str]:
        """What `pantau command` does, without the seconds that its start takes on a busy machine."""
        with Downlink(load_centre(self.city.centre_config).downlink_path) as downlink:
            made = order(downlink, UNIT, verb, words, who="rini", now_utc_ms=time.time_ns() // 1_000_000)
            eventually(lambda: downlink.answer(made.id) is not None, WITHIN_S, self.city.children[UNIT].tail)
            answer = downlink.answer(made.id)
        assert answer is not None
        return answer.ok, answer.detail

    def password_shown(self) -> int:
        return self.locked.refused() + self.locked_onvif.refused


@pytest.fixture(autouse=True)
def no_thread_left_behind() -> None:
    """Simulated devices answer in threads of this process through all tests of this file; `pole` ends them."""


@pytest.fixture(scope="module")
def pole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pole]:
    if why := missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("pole")
    with ExitStack() as stack:
        host = stack.enter_context(CameraHost(folder / "cameras"))
        hanging = stack.enter_context(CameraHost(folder / "hanging"))
        seeing = [host.camera("yard", seed=2, frames_per_s=5), host.camera("swapped", seed=3, frames_per_s=5)]
        hung, locked = hanging.camera("hung", frames_per_s=5), host.camera("locked", plain=True, frames_per_s=5)
        devices = {
            "swapped": stack.enter_context(seeing[1].onvif(serial_number="B2")),
            "locked": stack.enter_context(locked.onvif()),
        }
        tables: list[dict[str, object]] = [{"name": one.name, "url": one.url} for one in [*seeing, hung, locked]]
        for table in tables:
            if device := devices.get(str(table["name"])):
                table |= {"onvif_port": device.port, "serial_number": "A1"}
        tables += [{"name": name, "url": stack.enter_context(RtspLiar(lie)).url} for name, (lie, _) in LIES.items()]
        passwords = {one.name: (one.user, one.password) for one in [*seeing, hung]}
        passwords["locked"] = (locked.user, "not-it-5417")
        live: dict[str, dict[str, object]] = {"live": {"hosts": ["127.0.0.1"]}}
        city = City(folder / "city", [pole_plan(tables, passwords, folder, live)])
        city.prepare()
        stack.callback(city.stop)
        stack.callback(hanging.wake)
        city.start_centre()
        city.start_units()
        yield Pole(city=city, yard=seeing[0], locked=locked, locked_onvif=devices["locked"], hanging=hanging, host=host)


@pytest.mark.slow
def test_a_camera_that_hangs_delays_no_verdict_on_another(pole: Pole) -> None:
    pole.told("hung", "seeing", {""})
    pole.told("yard", "seeing", {""})
    pole.hanging.hang()
    pole.yard.darken(1.0)
    rhythm_s = PROOF_S / Grade.SURE.value  # of a black picture, looked at each second
    assert pole.told("yard", "black", {"picture"}) < rhythm_s + BUSY_S
    pole.yard.recover()
    pole.told("hung", "offline", {"port", "no_frames"})
    pole.hanging.wake()


@pytest.mark.slow
def test_what_no_camera_would_send_is_classified(pole: Pole) -> None:
    for name, (_, causes) in LIES.items():
        pole.told(name, "offline", causes)
    assert not any(camera in LIES and verdict != "offline" for camera, verdict, _ in verdicts(pole.city))


@pytest.mark.slow
def test_another_camera_at_the_address_is_named(pole: Pole) -> None:
    pole.told("swapped", "seeing", {"address"})
    eventually(lambda: events(pole.city, "pole_alarm"), WITHIN_S)
    words = "another camera answers there: serial number B2, adopted was A1"
    assert {"cause": "address", "cameras": "swapped", "why": words} in events(pole.city, "pole_alarm")


@pytest.mark.slow
def test_a_wrong_password_is_shown_so_seldom_that_no_account_is_locked(pole: Pole) -> None:
    """Stream, ONVIF and live views together, over all that this file does (a look at it was due each 10 s)."""
    pole.told("locked", "offline", {"authentication", "credentials"})
    for _ in range(2):
        done, said = pole.command("live", "locked", "rtsps://127.0.0.1:9/in/1", str(LEASE_S))
        assert not done and "user or password was refused" in said
    assert 1 <= pole.password_shown() < 5
    assert "not-it-5417" not in pole.city.children[UNIT].log_path.read_text("utf-8")


@pytest.mark.slow
def test_who_updates_a_cameras_firmware_says_so_to_its_box(pole: Pole) -> None:
    assert pole.command("updating", "hung", "30") == (True, "no recovery step for 30 min")
    assert pole.command("updating", "roof", "30") == (False, "no such camera")


@pytest.mark.slow
def test_a_live_view_lasts_while_it_is_renewed_and_then_nothing_is_sent(pole: Pole) -> None:
    who = pole.city.authority.ensure("media", "broker", hosts=("127.0.0.1",))
    far = pole.host.recorder("media", tls=Certificate(who.certificate_path, who.key_path), user="", path="/in/4f1dbeef")
    assert pole.command("live", "yard", far.url, str(LEASE_S)) == (True, f"live view for {LEASE_S} s")
    begun_s = time.monotonic()
    eventually(lambda: far.state()["frames"] >= 5, WITHIN_S, pole.city.children[UNIT].tail)
    time.sleep(max(0.0, begun_s + RENEWED_AFTER_S - time.monotonic()))
    assert pole.command("live", "yard", far.url, str(LEASE_S)) == (True, f"renewed for {LEASE_S} s")
    renewed_s = time.monotonic()
    eventually(lambda: far.state()["ended"] == 1, WITHIN_S, pole.city.children[UNIT].tail)
    assert time.monotonic() - begun_s > LEASE_S, "renewed"
    assert time.monotonic() - renewed_s < LEASE_S + BUSY_S
    then = far.state()
    time.sleep(WATCHED_FOR_S)
    assert far.state() == then and then["pushes"] == 1, "nobody watches: not one byte more"
    with Downlink(load_centre(pole.city.centre_config).downlink_path) as downlink:
        asked = [one.told for one in downlink.asked(UNIT, 10) if "yard" in one.told]
    assert len(asked) == 2 and all("rtsps://127.0.0.1:" in told and "4f1dbeef" not in told for told in asked)


@pytest.mark.slow
def test_a_live_view_that_the_far_end_does_not_take_is_told(pole: Pole) -> None:
    before = len(events(pole.city, "live_broke"))
    assert pole.command("live", "yard", "rtsps://127.0.0.1:9/in/1", str(LEASE_S))[0]
    eventually(lambda: len(events(pole.city, "live_broke")) > before, WITHIN_S, pole.city.children[UNIT].tail)
    assert events(pole.city, "live_broke")[-1]["camera"] == "yard"
    assert "far end" in events(pole.city, "live_broke")[-1]["why"]
