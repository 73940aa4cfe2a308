"""The uplink over a real Mosquitto with mutual TLS: connects, sends, survives what links, brokers and centres do."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from mqtt_centre import MqttCentre
from scripted_centre import ScriptedCentre

from broker.acl import Roles
from broker.mosquitto import ThrowawayMosquitto
from edge.backoff import Backoff
from edge.clock import Clock
from edge.outbox import Outbox, OutboxReader
from edge.sending import Limits
from edge.sim.link import SimulatedLink
from edge.tls import Identity
from edge.uplink import Uplink, UplinkOptions
from provisioning.throwaway import Authority, Credentials, make_authority
from wire import topics
from wire.decode import decode_parcel
from wire.kinds import CLASS_ALARM, CLASS_TRACK, KIND_EVENT, KIND_TRACK

UNIT = "ambulance-1"


class Box:
    """What main is on a box: an outbox, its uplink in a thread, and a loop that ticks."""

    def __init__(self, path: Path, credentials: Credentials, port: int, **options: Any) -> None:
        self.clock = options.pop("clock", None) or Clock(ntp_synchronised=lambda: True)
        self.clock.take_anchor()
        self.outbox = Outbox(path, limit_bytes=50_000_000, clock=self.clock)
        backoff = options.pop("backoff", None) or Backoff(1, testing=True)
        identity = Identity(
            ca_path=credentials.ca_path,
            certificate_path=credentials.certificate_path,
            key_path=credentials.key_path,
        )
        self.uplink = Uplink(
            UplinkOptions(unit=UNIT, host="127.0.0.1", port=port, firmware="test", **options),
            identity,
            clock=self.clock,
            outbox=self.outbox,
            open_shelf=lambda: OutboxReader(path, on_corrupt=self.outbox.suspect),
            next_session=itertools.count(1).__next__,
            backoff=backoff,
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.uplink.run, args=(self._stop,))

    def start(self) -> None:
        self._thread.start()

    def append(self, body: bytes = b"row", *, cls: int = CLASS_TRACK) -> int:
        row_id = self.outbox.append(body, kind=KIND_EVENT if cls == CLASS_ALARM else KIND_TRACK, cls=cls)
        self.uplink.wake()
        return row_id

    def tick_until(self, what: Callable[[], bool], patience_s: float = 15.0) -> None:
        deadline_s = time.monotonic() + patience_s
        while not what():
            assert time.monotonic() < deadline_s, "did not happen"
            self.outbox.tick()
            time.sleep(0.02)

    def empty(self) -> bool:
        self.outbox.settle()
        account = self.outbox.account()
        return account is not None and account.rows == 0

    def stop(self) -> float:
        """Stop as service.py does; seconds it took."""
        start_s = time.monotonic()
        self._stop.set()
        self.uplink.wake()
        if self._thread.ident is not None:
            self._thread.join(5.0)
        assert not self._thread.is_alive()
        self.outbox.close()
        return time.monotonic() - start_s


class ScriptedBroker:
    """A listener with the broker's certificate, and a thread that serves it."""

    def __init__(self, credentials: Credentials) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(credentials.ca_path))
        self._context.load_cert_chain(str(credentials.certificate_path), str(credentials.key_path))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        raise NotImplementedError

    def _accepted(self) -> ssl.SSLSocket:
        return self._context.wrap_socket(self._listener.accept()[0], server_side=True)


class ContestedBroker(ScriptedBroker):
    """Lets the box in and says so many times that another one took its session (Mosquitto does from 2.0.15 on)."""

    def __init__(self, credentials: Credentials, *, times: int) -> None:
        super().__init__(credentials)
        self._times = times

    def _serve(self) -> None:
        for time_ in range(self._times + 1):
            with self._accepted() as sock:
                sock.recv(4_096)
                sock.sendall(b"\x20\x03\x00\x00\x00")
                if time_ < self._times:
                    sock.sendall(b"\xe0\x01\x8e")
                while sock.recv(4_096):
                    pass


class OldBroker(ScriptedBroker):
    """A broker of MQTT 3.1.1: answers CONNECT of level 4; another one with return code 1, or by hanging up."""

    def __init__(self, credentials: Credentials, *, says_so: bool) -> None:
        super().__init__(credentials)
        self.levels: list[int] = []
        self._says_so = says_so

    def _serve(self) -> None:
        while 4 not in self.levels:
            with self._accepted() as sock:
                connect = sock.recv(4_096)
                level = connect[connect.index(b"MQTT") + 4]
                self.levels.append(level)
                if level == 4:
                    sock.sendall(b"\x20\x02\x00\x00")
                    while sock.recv(4_096):
                        pass
                elif self._says_so:
                    sock.sendall(b"\x20\x02\x00\x01")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def mosquitto(authority: Authority, tmp_path: Path) -> Iterator[ThrowawayMosquitto]:
    mine = authority.ensure("localhost", "broker")
    with ThrowawayMosquitto(
        tmp_path / "mosquitto",
        ca_path=mine.ca_path,
        certificate_path=mine.certificate_path,
        key_path=mine.key_path,
        roles=Roles(),
    ) as running:
        yield running


@pytest.fixture
def centre(authority: Authority, mosquitto: ThrowawayMosquitto) -> Iterator[MqttCentre]:
    script = ScriptedCentre(utc_ms=int(time.time() * 1000))
    with MqttCentre(authority, mosquitto.host, mosquitto.port, script) as running:
        yield running


@pytest.fixture
def link(mosquitto: ThrowawayMosquitto) -> Iterator[SimulatedLink]:
    with SimulatedLink(mosquitto.host, mosquitto.port) as running:
        yield running


@pytest.fixture
def new_box(authority: Authority, mosquitto: ThrowawayMosquitto, tmp_path: Path) -> Iterator[Callable[..., Box]]:
    made: list[Box] = []

    def make(credentials: Credentials | None = None, port: int | None = None, **options: Any) -> Box:
        made.append(
            Box(
                tmp_path / "outbox.db",
                credentials or authority.ensure(UNIT, "unit"),
                mosquitto.port if port is None else port,
                **options,
            )
        )
        return made[-1]

    yield make
    for box in made:
        box.stop()


def test_a_row_is_sent_stored_receipted_and_deleted(new_box: Callable[..., Box], centre: MqttCentre) -> None:
    box = new_box()
    box.start()
    box.tick_until(lambda: box.uplink.account().connections == 1)
    box.append(b"here")
    box.tick_until(box.empty)
    assert list(centre.script.stored.values()) == [b"here"]
    assert box.uplink.online


def test_birth_is_retained_online_and_a_clean_stop_says_offline_of_the_same_session(
    new_box: Callable[..., Box], centre: MqttCentre
) -> None:
    box = new_box()
    box.start()
    centre.wait(lambda: len(centre.births) == 1)
    assert box.stop() < 3.0
    centre.wait(lambda: len(centre.births) == 2)
    online, offline = centre.births
    assert online == {"online": True, "session": 1, "firmware": "test", "outbox_id": box_outbox_id(online)}
    assert offline == {**online, "online": False}


def box_outbox_id(birth: dict[str, Any]) -> int:
    return int(birth["outbox_id"])


def test_the_first_parcel_of_a_session_is_stamped_and_later_ones_are_not(
    new_box: Callable[..., Box], centre: MqttCentre
) -> None:
    box = new_box()
    box.append(b"1")
    box.start()
    centre.wait(lambda: len(centre.parcels) == 1)
    box.tick_until(lambda: box.uplink.online)
    box.append(b"2")
    centre.wait(lambda: len(centre.parcels) == 2)
    first, second = (decode_parcel(payload) for _, payload, _ in centre.parcels)
    assert (first.session, first.boot_id) == (1, box.clock.boot_id)
    assert first.sent_boottime_ms is not None
    assert (second.session, second.boot_id) == (None, None)


def test_a_backlog_drains_in_the_bulk_lane_while_live_rows_overtake_it(
    new_box: Callable[..., Box], centre: MqttCentre
) -> None:
    box = new_box(limits=Limits(bucket_bytes_per_s=None))
    for number in range(3_000):
        box.outbox.append(number.to_bytes(60, "big"), kind=KIND_TRACK, cls=CLASS_TRACK)
    box.start()
    centre.wait(lambda: len(centre.script.stored) > 500)
    box.append(b"live")
    centre.wait(lambda: b"live" in centre.script.stored.values(), patience_s=2.0)
    box.tick_until(box.empty, 30.0)
    assert len(centre.script.stored) == 3_001
    assert {leaf for leaf, _, _ in centre.parcels} == {"up", "bulk"}
    assert centre.script.received_rows <= 3_001 * 1.02


def test_a_broker_killed_and_started_again_loses_nothing(
    new_box: Callable[..., Box], centre: MqttCentre, mosquitto: ThrowawayMosquitto
) -> None:
    box = new_box(limits=Limits(live_timeout_s=2.0, bulk_timeout_s=1.0, ask_every_s=1.0))
    box.start()
    box.append(b"before")
    centre.wait(lambda: b"before" in centre.script.stored.values())
    mosquitto.kill()
    for number in range(50):
        box.append(b"while away %d" % number)
    time.sleep(0.3)
    mosquitto.start()
    box.append(b"after")
    box.tick_until(box.empty, 30.0)
    assert len(centre.script.stored) == 52
    assert box.uplink.account().connections >= 2


def test_the_newest_row_and_the_alarms_are_out_right_after_the_link_came_back(
    new_box: Callable[..., Box], centre: MqttCentre, link: SimulatedLink
) -> None:
    box = new_box(port=link.port)
    box.start()
    box.tick_until(lambda: box.uplink.account().connections == 1)
    link.cut()
    for number in range(20):
        box.append(b"%d" % number)
    box.append(b"alarm", cls=CLASS_ALARM)
    box.append(b"newest")
    time.sleep(0.2)
    link.mend()
    centre.wait(lambda: {b"newest", b"alarm"} <= set(centre.script.stored.values()), patience_s=2.0)
    box.tick_until(box.empty, 30.0)


def test_a_half_open_link_is_given_up_after_one_and_a_half_keepalives(
    new_box: Callable[..., Box], centre: MqttCentre, link: SimulatedLink
) -> None:
    box = new_box(port=link.port, keepalive_s=2, connect_timeout_s=1.0)
    box.start()
    box.append(b"before")
    box.tick_until(box.empty)
    link.silence("down")
    link.silence("up")
    box.append(b"into the void")
    time.sleep(4.0)
    link.mend()
    centre.wait(lambda: b"into the void" in centre.script.stored.values(), patience_s=5.0)
    assert box.uplink.account().connections == 2


def test_a_centre_that_answers_nothing_for_long_costs_no_reconnect(
    new_box: Callable[..., Box], centre: MqttCentre
) -> None:
    box = new_box(keepalive_s=1)
    box.start()
    centre.script.stay_silent()
    box.append(b"row")
    time.sleep(4.0)
    assert box.uplink.account().connections == 1
    centre.script.answer()
    box.append(b"row 2")
    centre.wait(lambda: b"row 2" in centre.script.stored.values())


def test_a_receipt_for_other_bytes_deletes_nothing_and_a_new_outbox_is_opened(
    new_box: Callable[..., Box], centre: MqttCentre
) -> None:
    box = new_box()
    box.start()
    first_id = box.outbox.outbox_id
    centre.script.wrong_check()
    box.append(b"mine")
    box.tick_until(lambda: box.uplink.account().rejected["receipt_mismatch"] > 0)
    assert not box.empty()
    centre.script.new_outbox()
    box.append(b"mine too")
    box.tick_until(lambda: box.outbox.outbox_id != first_id)


def test_garbage_from_above_is_counted_and_harms_nothing(new_box: Callable[..., Box], centre: MqttCentre) -> None:
    box = new_box()
    box.start()
    box.tick_until(lambda: box.uplink.account().connections == 1)
    for leaf in (topics.receipt(UNIT), topics.bridge_state("bridge-1")):
        for garbage in (b"\xff" * 50, b"", b"{", b'{"online": 3}', b"[" * 5_000):
            centre.send(leaf, garbage)
    centre.say(True)
    box.append(b"still here")
    box.tick_until(box.empty)
    box.tick_until(lambda: box.uplink.account().rejected["message"] == 3)  # no UTF-8, cut off, too deep
    assert box.uplink.account().rejected["receipt"] >= 3


def test_commands_are_handed_to_the_main_thread(new_box: Callable[..., Box], centre: MqttCentre) -> None:
    box = new_box()
    box.start()
    box.tick_until(lambda: box.uplink.account().connections == 1)
    order = json.dumps({"id": "1", "verb": "ping", "expires_utc_ms": 1}).encode()
    taken: list[bytes] = []

    def comes_down() -> bool:  # said again and again, as the centre does: the box may not have subscribed yet
        centre.send(topics.command(UNIT), order)
        taken.extend(box.uplink.take_commands())
        return bool(taken)

    box.tick_until(comes_down)
    assert set(taken) == {order}


def test_a_refused_certificate_is_said_once_and_tried_slowly(
    new_box: Callable[..., Box], authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = make_authority(tmp_path / "stranger").issue(UNIT, "unit")
    box = new_box(Credentials(authority.ca_path, stranger.certificate_path, stranger.key_path))
    with caplog.at_level(logging.DEBUG, "edge.keeping"):
        box.start()
        box.tick_until(lambda: box.uplink.account().rejected["link_refused"] >= 3)
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1 and "certificate" in errors[0].getMessage()


def test_another_box_of_our_name_is_said_once_and_counted(
    new_box: Callable[..., Box], authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    with ContestedBroker(authority.ensure("localhost", "broker"), times=3) as broker:
        box = new_box(port=broker.port)
        box.start()
        box.tick_until(lambda: box.uplink.account().connections == 4)
        box.stop()
    assert box.uplink.account().rejected == {"link_taken_over": 3}
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1 and UNIT in errors[0].getMessage()


def test_a_broker_whose_certificate_is_not_of_our_authority_is_refused(
    new_box: Callable[..., Box], authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = make_authority(tmp_path / "other")
    mine = authority.ensure(UNIT, "unit")
    box = new_box(Credentials(other.ca_path, mine.certificate_path, mine.key_path))
    box.start()
    box.tick_until(lambda: box.uplink.account().rejected["link_refused"] >= 1)
    assert box.uplink.account().connections == 0


def test_a_box_at_1970_connects_and_once_it_knows_the_date_connects_again_with_full_checks(
    new_box: Callable[..., Box], centre: MqttCentre
) -> None:
    box = new_box(clock=Clock(realtime_ns=lambda: 60_000_000_000, ntp_synchronised=lambda: False))
    box.start()
    box.append(b"when?")
    box.tick_until(box.empty)
    box.tick_until(lambda: box.uplink.account().connections == 2)
    assert box.clock.utc_ms() is None  # the centre's word dates certificates, not records
    box.append(b"and now?")
    box.tick_until(box.empty)
    assert box.uplink.account().connections == 2
    stamped = [decode_parcel(payload).boot_id for _, payload, _ in centre.parcels]
    assert set(stamped) == {box.clock.boot_id}


def test_the_reconnect_of_a_box_at_1970_loses_no_parcel_of_its_backlog(
    new_box: Callable[..., Box], centre: MqttCentre
) -> None:
    box = new_box(clock=Clock(realtime_ns=lambda: 60_000_000_000, ntp_synchronised=lambda: False))
    for number in range(100):
        box.outbox.append(number.to_bytes(60, "big"), kind=KIND_TRACK, cls=CLASS_TRACK)
    box.start()
    # The receipt that brings the date and the number ends the link: a parcel handed to it would wait for its timeout.
    box.tick_until(box.empty, 10.0)
    assert centre.script.received_rows <= 102


def test_a_stop_never_waits_for_a_broker_that_says_nothing(new_box: Callable[..., Box]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        box = new_box(port=mute.getsockname()[1], connect_timeout_s=4.0)
        box.start()
        time.sleep(0.3)
        assert box.stop() < 3.9


@pytest.mark.parametrize("how", ["says so", "hangs up"])
def test_a_broker_that_knows_only_mqtt_3_1_1_is_spoken_to_in_it(
    new_box: Callable[..., Box], authority: Authority, how: str
) -> None:
    with OldBroker(authority.ensure("localhost", "broker"), says_so=how == "says so") as broker:
        box = new_box(port=broker.port)
        box.start()
        box.tick_until(lambda: box.uplink.account().connections == 1)
        assert broker.levels == [5, 4]
        box.stop()


def test_bytes_on_the_wire_are_counted_from_the_kernel(
    new_box: Callable[..., Box], centre: MqttCentre, link: SimulatedLink
) -> None:
    box = new_box(port=link.port)
    box.start()
    box.append(bytes(10_000))
    box.tick_until(box.empty)
    account = box.uplink.account()
    assert link.bytes_up <= account.up_bytes <= link.bytes_up * 1.5
    assert link.bytes_down <= account.down_bytes <= link.bytes_down * 1.8


def test_payloads_are_attributed_to_what_is_in_them(new_box: Callable[..., Box], centre: MqttCentre) -> None:
    box = new_box()
    for number in range(3):
        box.outbox.append(bytes([number]) * 300, kind=KIND_TRACK, cls=CLASS_TRACK)
    box.uplink.limit_backlog(1_000_000.0)
    box.start()
    box.tick_until(box.empty)  # the newest is the session's live row, the others are backlog
    box.append(b"!" * 40, cls=CLASS_ALARM)
    box.tick_until(box.empty)
    account = box.uplink.account()
    spent = account.attributed
    assert spent.live >= 300
    assert spent.backlog > 0
    assert spent.verdict >= 40
    assert spent.snapshot == spent.housekeeping == 0
    assert spent.total < account.up_bytes + account.down_bytes


def test_a_broker_refused_by_a_spoofed_date_is_tried_as_soon_as_the_sky_is_honest(
    new_box: Callable[..., Box], centre: MqttCentre
) -> None:
    clock = Clock(realtime_ns=lambda: 60_000_000_000, ntp_synchronised=lambda: False)
    clock.heard_gnss(time.time_ns() // 1_000_000 + 19 * 31_557_600_000)
    box = new_box(clock=clock, backoff=Backoff(1))
    box.start()
    box.tick_until(lambda: box.uplink.account().rejected["link_refused"] == 1)
    clock.heard_gnss(time.time_ns() // 1_000_000)
    box.append(b"now")
    box.tick_until(box.empty)  # a refusal alone would be tried again after a minute


def test_an_os_clock_that_jumps_while_openssl_judges_by_it_is_no_refusal(
    new_box: Callable[..., Box], tmp_path: Path
) -> None:
    day, now = dt.timedelta(days=1), dt.datetime.now(dt.UTC)
    authority = make_authority(tmp_path / "tomorrow")
    broker = authority.issue("localhost", "broker", not_before=now + day, not_after=now + 50 * day)
    true_ms = int((now + 2 * day).timestamp() * 1000)
    looks = iter([true_ms])  # right when the link is opened, back in the past from then on
    clock = Clock(
        realtime_ns=lambda: next(looks, true_ms - 40 * 86_400_000) * 1_000_000, ntp_synchronised=lambda: False
    )
    clock.heard_gnss(true_ms)
    with ThrowawayMosquitto(
        tmp_path / "broker",
        ca_path=broker.ca_path,
        certificate_path=broker.certificate_path,
        key_path=broker.key_path,
        roles=Roles(),
    ) as mosquitto:
        box = new_box(authority.ensure(UNIT, "unit"), mosquitto.port, clock=clock, backoff=Backoff(1))
        box.start()
        box.tick_until(lambda: box.uplink.account().connections == 1)
        assert box.uplink.account().rejected["link_refused"] == 0
