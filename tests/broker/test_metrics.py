"""Metrics tell what was put in, to this machine only; whoever scrapes, and however badly, costs the bridge nothing."""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from arrivals import drive, health, tombstone
from bridge_driver import RunningBridge, UnitVoice, row
from hypothesis import given
from hypothesis import strategies as st
from mqtt_client import MqttClient
from scrape import Scraped, free_port, open_to, scrape

from broker.config import CentreConfig
from broker.figure import Figure, Histogram, counter, gauge, histogram
from broker.metrics import PATIENCE_S, Metrics
from broker.mosquitto import ThrowawayMosquitto
from broker.published import Published
from broker.store import Arrival, Outcome, Store, open_store
from broker.store.sqlite import SqliteStore
from broker.survey import SHED_REASONS, Survey, look_at_ledger, look_at_store
from broker.tally import Tally
from provisioning.throwaway import Authority
from settings import ConfigError
from settings.load import from_document
from wire.ranges import Ranges

Connect = Callable[..., MqttClient]
CENTRE = {
    "broker": {"host": "localhost"},
    "credentials": {"directory": "pki"},
    "store": {"url": "sqlite:///store.db"},
}


def eventually(claim: Callable[[], object], within_s: float = 15.0) -> None:
    deadline = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.02)


@contextmanager
def told(figures: Callable[[], list[Figure]]) -> Iterator[int]:
    """Metrics of these figures; the port."""
    port = free_port()
    with Metrics("127.0.0.1", port, figures):
        eventually(lambda: open_to("127.0.0.1", port))
        yield port


# ---------------------------------------------------------------- the endpoint


def test_a_scrape_gives_each_figure_as_it_is() -> None:
    seconds = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        seconds.add(value)
    figures = [
        counter("pantau_rows_total", "rows", {("live", "stored"): 3, ("bulk", "stored"): 4}, "lane", "outcome"),
        gauge("pantau_age_seconds", "age", 1.5),
        gauge("pantau_unknown_seconds", "not known", None),
        histogram("pantau_commit_seconds", "commits", seconds),
    ]
    with told(lambda: figures) as port:
        found = scrape(port)
    assert found.value("pantau_rows_total", lane="live", outcome="stored") == 3
    assert found.value("pantau_rows_total", lane="bulk", outcome="stored") == 4
    assert found.value("pantau_age_seconds") == 1.5
    assert "pantau_unknown_seconds" not in found.names
    assert [found.value("pantau_commit_seconds_bucket", le=le) for le in ("0.1", "1.0", "+Inf")] == [2, 3, 4]
    assert found.value("pantau_commit_seconds_count") == 4
    assert found.value("pantau_commit_seconds_sum") == pytest.approx(7.65)
    assert not [name for name in found.names if name.startswith(("python_", "process_"))]


@given(st.lists(st.floats(-1e6, 1e6)))
def test_a_histogram_counts_each_value_once_and_a_bound_includes_its_own(values: list[float]) -> None:
    counted = Histogram((-5.0, 0.0, 5.0))
    for value in values:
        counted.add(value)
    counts, total = counted.read()
    assert counts == [sum(v <= bound for v in values) for bound in (-5.0, 0.0, 5.0, math.inf)]
    assert total == pytest.approx(sum(values))


def test_only_this_machine_is_answered() -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; says which of our addresses would
        except OSError:
            pytest.skip("this machine has no address but the loopback's")
        own = probe.getsockname()[0]
    with told(list) as port:
        assert open_to("127.0.0.1", port)
        assert not open_to(own, port)


def test_a_port_that_is_taken_is_said_once_and_tried_until_it_is_free(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        metrics = Metrics("127.0.0.1", port, list, retry_s=0.05)
        with caplog.at_level(logging.INFO), metrics:
            eventually(lambda: metrics.refused_ports >= 3)
            other.close()
            eventually(lambda: open_to("127.0.0.1", port))
            assert scrape(port).value("pantau_metrics_refused_ports_total") >= 3
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert f"127.0.0.1 port {port}: Address already in use" in warnings[0]


def test_a_scraper_that_says_nothing_holds_up_others_for_its_patience_and_a_stop_not_at_all() -> None:
    metrics_port = free_port()
    metrics = Metrics("127.0.0.1", metrics_port, lambda: [gauge("pantau_one", "1", 1)])
    with metrics:
        eventually(lambda: open_to("127.0.0.1", metrics_port))
        with closing(socket.create_connection(("127.0.0.1", metrics_port))):
            assert scrape(metrics_port, patience_s=PATIENCE_S + 20).value("pantau_one") == 1
        silent = socket.create_connection(("127.0.0.1", metrics_port))
        time.sleep(0.3)  # until it is the one being served
        before_s = time.monotonic()
    assert time.monotonic() - before_s < PATIENCE_S
    silent.close()


def test_figures_that_fail_fail_one_scrape(caplog: pytest.LogCaptureFixture) -> None:
    asked = []

    def figures() -> list[Figure]:
        asked.append(1)
        if len(asked) == 1:
            raise LookupError("a fault of ours")
        return [gauge("pantau_one", "1", 1)]

    with told(figures) as port:
        with pytest.raises(OSError):
            scrape(port)
        assert scrape(port).value("pantau_one") == 1
    assert "a fault of ours" in caplog.text


# ---------------------------------------------------------------- configuration


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.7", "centre.city.example", "localhost", ""])
def test_an_address_that_others_can_reach_is_refused_with_the_reason(address: str) -> None:
    with pytest.raises(ConfigError, match=r"metrics.address .*only this machine may"):
        from_document({**CENTRE, "metrics": {"address": address}}, CentreConfig, name="centre.toml", folder=Path())


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1"])
def test_any_loopback_address_is_fine(address: str) -> None:
    document = {**CENTRE, "metrics": {"address": address}}
    assert from_document(document, CentreConfig, name="centre.toml", folder=Path()).metrics.address == address


# ---------------------------------------------------------------- the bridge


class HeldStore(SqliteStore):
    """A store whose commits wait while it is held, as on a disk that hangs, and that stumbles over one body."""

    def __init__(self, path: str) -> None:
        super().__init__(path, writer=True)
        self.held = threading.Event()
        self.released = threading.Event()
        self.released.set()

    def commit(self, arrivals: list[Arrival]) -> list[Outcome]:  # type: ignore[override]
        if not self.released.is_set():
            self.held.set()
            self.released.wait()
        if any(one.body == b"stumble" for one in arrivals):
            raise ValueError("stumbled")
        return super().commit(arrivals)


class Bridge:
    """A running bridge on a HeldStore, and its metrics."""

    def __init__(self, running: RunningBridge, stores: list[HeldStore], port: int) -> None:
        self.running, self._stores, self.port = running, stores, port

    @property
    def store(self) -> HeldStore:
        return self._stores[-1]

    def scrape(self) -> Scraped:
        return scrape(self.port)


@pytest.fixture
def bridge(authority: Authority, mosquitto: ThrowawayMosquitto, tmp_path: Path) -> Iterator[Bridge]:
    stores: list[HeldStore] = []

    def open_it() -> Store:
        stores.append(HeldStore(str(tmp_path / "centre" / "store.db")))
        return stores[-1]

    running = RunningBridge(authority, mosquitto, tmp_path / "centre", open_it=open_it, gather_s=0.1)
    with told(running.bridge.figures) as port, running:
        eventually(lambda: stores)
        yield Bridge(running, stores, port)
        stores[-1].released.set()


@pytest.fixture
def unit(client: Connect, bridge: Bridge) -> UnitVoice:
    voice = UnitVoice(client("ambulance-1"), "ambulance-1")
    voice.bridge_is_online()
    return voice


def rows_are(bridge: Bridge, lane: str, outcome: str, count: int) -> Callable[[], bool]:
    return lambda: bridge.scrape().value("pantau_bridge_rows_total", lane=lane, outcome=outcome) == count


def test_rows_are_told_by_lane_and_by_what_became_of_them(bridge: Bridge, unit: UnitVoice) -> None:
    unit.send([row(1), row(2)])
    unit.send([row(3)], lane="bulk")
    eventually(rows_are(bridge, "bulk", "stored", 1))
    unit.send([row(1), row(2)])
    eventually(rows_are(bridge, "live", "duplicate", 2))
    unit.send([row(2, b"other bytes")])
    unit.send([row(4), row(5, b"stumble"), row(6)], lane="bulk")
    unit.send_bytes(b"\xff")
    eventually(rows_are(bridge, "bulk", "stored", 3))
    eventually(rows_are(bridge, "live", "stored", 3))
    found = bridge.scrape()
    keys = [(lane, outcome) for lane in ("live", "bulk") for outcome in ("stored", "duplicate", "poison")]
    rows = {
        (lane, outcome): found.value("pantau_bridge_rows_total", lane=lane, outcome=outcome) for lane, outcome in keys
    }
    assert rows == {
        ("live", "stored"): 3, ("live", "duplicate"): 2, ("live", "poison"): 0,
        ("bulk", "stored"): 3, ("bulk", "duplicate"): 0, ("bulk", "poison"): 1,
    }  # fmt: skip
    with open_store(bridge.running.store_url) as store:
        assert len(store.read_log(0, 100)) == 6
    assert found.value("pantau_bridge_conflict_rows_total") == 1
    assert found.value("pantau_bridge_undecoded_rows_total") == 6  # no body here is a track
    assert found.sum("pantau_bridge_malformed_total") == 1
    assert found.value("pantau_bridge_parcels_total", lane="live") == 3
    assert found.value("pantau_bridge_parcels_total", lane="bulk") == 2
    assert found.value("pantau_bridge_commit_rows_sum") == sum(rows.values())
    assert found.value("pantau_bridge_commit_seconds_count") == found.value("pantau_bridge_commit_rows_count")
    assert found.value("pantau_bridge_connected", link="reader") == 1
    assert found.value("pantau_bridge_connected", link="receipts") == 1
    eventually(lambda: bridge.scrape().value("pantau_bridge_receipts_total", outcome="sent") >= 1)


def test_a_store_that_hangs_shows_in_the_next_scrape_and_what_is_dropped_meanwhile_is_counted(
    bridge: Bridge, unit: UnitVoice
) -> None:
    bridge.store.released.clear()
    unit.send([row(1)])
    assert bridge.store.held.wait(10)
    unit.send([row(2)])
    sent = 0
    while not bridge.scrape().value("pantau_bridge_dropped_parcels_total", lane="bulk"):
        unit.send([row(10_000 + sent, bytes(60_000))], lane="bulk")
        sent += 1
        assert sent < 1_000, "a lane has its bound"
    found = bridge.scrape()
    assert found.value("pantau_bridge_commit_running_seconds") > 0
    assert found.value("pantau_bridge_queue_age_seconds", lane="live") > 0
    limit = found.value("pantau_bridge_queue_limit_bytes", lane="bulk")
    assert 0 < found.value("pantau_bridge_queue_bytes", lane="bulk") <= limit
    assert found.value("pantau_bridge_dropped_parcels_total", lane="live") == 0
    bridge.store.released.set()
    eventually(rows_are(bridge, "live", "stored", 2))
    found = bridge.scrape()
    assert found.value("pantau_bridge_commit_running_seconds") < 10
    assert found.value("pantau_bridge_queue_age_seconds", lane="live") == 0


def test_scrapers_that_hang_stop_neither_storing_nor_the_stop(bridge: Bridge, unit: UnitVoice) -> None:
    hanging = [socket.create_connection(("127.0.0.1", bridge.port)) for _ in range(4)]
    try:
        for seq in range(1, 21):
            unit.send([row(seq)], lane="bulk")
            assert unit.receipt().ranges == Ranges([(seq, seq)])
        before_s = time.monotonic()
        assert bridge.running.stop() == 0
        assert time.monotonic() - before_s < 5.0
    finally:
        for one in hanging:
            one.close()


def test_units_are_counted_by_their_link(bridge: Bridge, unit: UnitVoice) -> None:
    unit.client.publish("pantau/v1/ambulance-1/birth", b'{"online":true,"session":1,"outbox_id":77}', qos=1)
    unit.send([row(1)], waiting=5000)
    eventually(lambda: bridge.scrape().value("pantau_bridge_units", link="online") == 1)
    eventually(lambda: bridge.scrape().value("pantau_bridge_units_waiting_bytes") == 5000)
    unit.client.publish("pantau/v1/ambulance-1/birth", b'{"online":false,"session":1}', qos=1)
    eventually(lambda: bridge.scrape().value("pantau_bridge_units", link="offline") == 1)
    assert bridge.scrape().value("pantau_bridge_units", link="online") == 0


# ---------------------------------------------------------------- the surveys


def told_of(figures: list[Figure], name: str, *labels: str) -> float:
    (found,) = [figure for figure in figures if figure.name == name]
    assert not isinstance(found.values, Histogram)
    return found.values[labels]


def test_the_ledgers_figures_are_the_ledgers_sums(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with open_store(url, writer=True) as store:
        store.commit(drive(range(1, 6)))  # whole
        store.commit(drive([1, 2, 9, 10], unit="gappy"))
        store.commit([tombstone(11, [(0xCAFE, Ranges([(3, 4)]), "shed")], unit="gappy")])
        store.commit([tombstone(12, [(0xCAFE, Ranges([(5, 5)]), "a reason nobody knows")], unit="gappy")])
        store.commit([health(13, [(0xCAFE, 13, Ranges([(6, 6)]))], unit="gappy")])
        store.commit(drive([20], unit="gappy"))
        figures, accounts = look_at_ledger(store, lambda _s: False), store.ledger()
    states = {state: told_of(figures, "pantau_ledger_records", state) for state in ("missing", "held", "unjudged")}
    assert states == {"missing": 2, "held": 1, "unjudged": 6}
    assert told_of(figures, "pantau_ledger_records", "stored") == sum(a.stored for a in accounts) == 13
    assert states["missing"] == sum(account.missing_count for account in accounts)
    shed = {reason: told_of(figures, "pantau_ledger_shed_records", reason) for reason in (*SHED_REASONS, "other")}
    assert shed == {"shed": 2, "corrupt": 0, "refused": 0, "swallowed": 0, "other": 1}
    assert told_of(figures, "pantau_ledger_outboxes") == 2
    assert told_of(figures, "pantau_ledger_outboxes_missing") == 1


def test_a_survey_waits_for_the_store_and_looks_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with Survey("store", url, look_at_store, 0.05) as survey:
        eventually(lambda: told_of(survey.figures(), "pantau_store_look_failures_total") > 0)
        with open_store(url, writer=True) as store:
            eventually(lambda: len(survey.figures()) > 2)
            store.commit(drive([1, 2, 3]))
            eventually(lambda: told_of(survey.figures(), "pantau_store_unpublished_entries") == 3)
            assert told_of(survey.figures(), "pantau_store_unpublished_seconds") >= 0
            store.set_cursor("publisher", 3)
            eventually(lambda: told_of(survey.figures(), "pantau_store_unpublished_entries") == 0)
            assert told_of(survey.figures(), "pantau_store_unpublished_seconds") == 0
            assert told_of(survey.figures(), "pantau_store_file_bytes", "store") > 0
            assert told_of(survey.figures(), "pantau_store_disk_free_bytes") > 0
            looked_s = told_of(survey.figures(), "pantau_store_look_timestamp_seconds")
            assert abs(looked_s - time.time()) < 60
    assert not survey.stuck


def test_a_look_that_fails_is_said_once_counted_and_done_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    looks: list[int] = []

    def look(_store: Store, _wait: Callable[[float], bool]) -> list[Figure]:
        looks.append(1)
        if len(looks) < 4:
            raise ArithmeticError("a fault of ours")
        return [gauge("pantau_store_one", "1", 1)]

    with open_store(url, writer=True), Survey("store", url, look, 0.05) as survey:
        eventually(lambda: len(survey.figures()) == 3)
        assert told_of(survey.figures(), "pantau_store_look_failures_total") == 3
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


# ---------------------------------------------------------------- the counts


def test_a_barrier_that_a_broken_connection_asked_for_is_never_timed() -> None:
    told = Published()
    told.began(0)
    told.asked(10, 1.0)
    told.lost()
    told.began(0)
    told.asked(12, 100.0)
    told.proven(12, 100.5)
    assert told.barrier_s.read()[0][-1] == 1
    assert told.barrier_s.read()[1] == pytest.approx(0.5)


@given(st.lists(st.tuples(st.sampled_from(["live", "bulk"]), st.integers(0, 50), st.integers(0, 5), st.integers(0, 5))))
def test_every_row_of_a_group_has_one_outcome(groups: list[tuple[str, int, int, int]]) -> None:
    tally = Tally()
    for lane, stored, duplicate, poison in groups:
        odd = Counter({"duplicate": duplicate, "poison": poison})
        tally.group(lane, 1, stored + duplicate + poison, odd)
    assert tally.rows.total() == sum(sum(group[1:]) for group in groups)
    for place, outcome in enumerate(("stored", "duplicate", "poison"), 1):
        told = tally.rows["live", outcome] + tally.rows["bulk", outcome]
        assert told == sum(int(group[place]) for group in groups)
