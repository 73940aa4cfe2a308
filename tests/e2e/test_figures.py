"""A real centre with a unit, scraped as Prometheus does: figures are what was put in, and the alerts know them."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from outing import eventually, outing, plan
from scrape import Scraped, free_port, scrape

from broker.store import open_store
from stage.city import City
from stage.process import STOP_DEADLINE_S
from torture.ear import Ear
from wire import encode
from wire.columns import encode_track
from wire.encode import check, parcel
from wire.kinds import CLASS_STATUS, CLASS_TRACK, KIND_HEALTH, KIND_TRACK
from wire.ranges import Ranges

REPOSITORY = Path(__file__).resolve().parents[2]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((REPOSITORY / "packaging" / "alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
PAGE = (REPOSITORY / "docs" / "operating.md").read_text("utf-8")
UNIT, VOICE, OUTBOX = "box-1", "voice-1", 77
OF_A_HISTOGRAM = re.compile(r"_(bucket|sum|count)$")


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    made = City(tmp_path, [plan(UNIT)], metrics_ports=(free_port(), free_port()))
    made.prepare()
    made.authority.ensure(VOICE, "unit")
    made.start_centre()
    yield made
    made.stop()


def bridge(city: City) -> Scraped:
    return scrape(city.metrics_ports[0])


def publisher(city: City) -> Scraped:
    return scrape(city.metrics_ports[1])


def answers(city: City) -> bool:
    try:
        return bool(bridge(city).names and publisher(city).names)
    except OSError:
        return False


def sent(seq: int, kind: int, body: bytes, cls: int) -> bytes:
    return parcel(OUTBOX, [(seq, cls, kind, check(body), body)])


def track(seq: int) -> bytes:
    now_ms = time.time_ns() // 1_000_000
    fix = (now_ms - 1_000, 481_000_000, 115_000_000, 800, 1100, 0, 90, 11)
    return sent(seq, KIND_TRACK, encode_track([fix]), CLASS_TRACK)


def account_of_ten(seq: int) -> bytes:
    """A health record that holds nothing of the seqs below ten: what is not stored of them is missing."""
    stamp = (time.time_ns() // 1_000_000, 0, 0)
    body = encode.health(at=stamp, holdings=[(OUTBOX, 10, Ranges())])
    return sent(seq, KIND_HEALTH, body, CLASS_STATUS)


def stored_rows(city: City) -> int:
    with open_store(city.store_url) as store:
        return sum(entry.revision == 0 for entry in store.read_log(0, 100_000))


def test_the_figures_of_a_running_city_are_what_was_put_in(city: City) -> None:
    eventually(lambda: answers(city), 20, city.children["bridge"].tail)
    driving = outing(city, UNIT)
    try:
        driving.begin()
        eventually(lambda: stored_rows(city) >= 5, 30, city.children[UNIT].tail)
        eventually(lambda: bridge(city).value("pantau_bridge_units", link="online") >= 1, 20)
        driving.end()
    finally:
        driving.give_up()
    with Ear(city, f"pantau/v1/{VOICE}/down/receipt", name=VOICE) as voice:
        first = track(1)
        voice.say(f"pantau/v1/{VOICE}/up", first)
        voice.say(f"pantau/v1/{VOICE}/up", first)
        voice.say(f"pantau/v1/{VOICE}/bulk", account_of_ten(10))
        eventually(lambda: voice.heard, 20)

    def told() -> float:
        found = bridge(city)
        lanes = [found.value("pantau_bridge_rows_total", lane=lane, outcome="stored") for lane in ("live", "bulk")]
        return sum(lanes)

    eventually(lambda: told() == stored_rows(city), 20, lambda: (told(), stored_rows(city)))
    assert bridge(city).value("pantau_bridge_rows_total", lane="live", outcome="duplicate") >= 1
    with open_store(city.store_url) as store:
        newest = store.last_log_id()
    eventually(lambda: publisher(city).value("pantau_publisher_cursor_log_id") == newest, 30)
    eventually(lambda: bridge(city).value("pantau_store_last_log_id") == newest, 30)
    eventually(lambda: bridge(city).value("pantau_store_unpublished_entries") == 0, 30)
    found = publisher(city)
    assert found.value("pantau_publisher_messages_total", topic="record") >= stored_rows(city)
    assert found.value("pantau_publisher_messages_total", topic="state") >= 1
    assert found.value("pantau_publisher_barrier_seconds_count") >= 1
    assert found.value("pantau_publisher_connected") == 1
    every_alert_asks_for_figures_that_are_there(bridge(city), found)
    every_figure_is_explained(bridge(city), found)
    no_label_grows_with_the_fleet(bridge(city), found)


def test_while_the_publisher_is_stopped_its_lag_grows_and_the_ledger_says_what_is_missing(city: City) -> None:
    eventually(lambda: answers(city), 20, city.children["bridge"].tail)
    stopped = city.children["publisher"]
    stopped.terminate()
    assert stopped.join() and stopped.exit_code == 0, stopped.tail()
    with Ear(city, f"pantau/v1/{VOICE}/down/receipt", name=VOICE) as voice:
        for payload in (track(1), track(2), account_of_ten(10)):
            voice.say(f"pantau/v1/{VOICE}/bulk", payload)
        eventually(lambda: bridge(city).value("pantau_store_unpublished_entries") == 3, 30)
    age_s = bridge(city).value("pantau_store_unpublished_seconds")
    eventually(lambda: bridge(city).value("pantau_store_unpublished_seconds") >= age_s + 1, 30)
    stopped.start()
    eventually(lambda: answers(city) and "pantau_ledger_records" in publisher(city).names, 30, stopped.tail)
    found = publisher(city)
    assert found.value("pantau_ledger_records", state="stored") == 3
    assert found.value("pantau_ledger_records", state="missing") == 7
    assert found.value("pantau_ledger_outboxes_missing") == 1
    eventually(lambda: bridge(city).value("pantau_store_unpublished_entries") == 0, 30)


def test_with_a_scraper_that_hangs_both_stop_in_time_and_cleanly(city: City) -> None:
    eventually(lambda: answers(city), 20, city.children["bridge"].tail)
    hanging = [socket.create_connection(("127.0.0.1", port)) for port in city.metrics_ports for _ in range(3)]
    try:
        for name in ("publisher", "bridge"):
            child = city.children[name]
            child.terminate()
            assert child.join(STOP_DEADLINE_S) and child.exit_code == 0, child.tail()
    finally:
        for one in hanging:
            one.close()


def test_a_taken_port_keeps_no_bridge_from_storing(city: City) -> None:
    eventually(lambda: answers(city), 20, city.children["bridge"].tail)
    child = city.children["bridge"]
    child.terminate()
    assert child.join()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", city.metrics_ports[0]))
        other.listen()
        child.start()
        with Ear(city, f"pantau/v1/{VOICE}/down/receipt", name=VOICE) as voice:

            def receipted() -> bool:
                voice.say(f"pantau/v1/{VOICE}/bulk", track(1))
                time.sleep(0.5)
                return bool(voice.heard)

            eventually(receipted, 30, child.tail)
    said = [line for line in child.log_path.read_text("utf-8").splitlines() if "no metrics on" in line]
    assert len(said) == 1, said


def every_alert_asks_for_figures_that_are_there(*scraped: Scraped) -> None:
    """Names and label values of each expression; an alert on a name nobody tells would be silent for ever."""
    names = set().union(*(one.names for one in scraped))
    for rule in RULES:
        asked = re.findall(r"(pantau_\w+)(?:\{([^}]*)\})?", rule["expr"])
        assert asked or "up{job" in rule["expr"], rule["alert"]
        for name, matchers in asked:
            if name == "pantau_bridge_malformed_total":  # has samples once there was one
                continue
            if name.startswith(("pantau_work_", "pantau_answers_")):  # held by tests/broker/test_part_figures.py
                continue
            assert name in names, f"{rule['alert']}: {name}"
            for label, matched in re.findall(r'(\w+)="([^"]*)"', matchers):
                told = [labels for one in scraped for labels in one.labels(name)]
                assert any(labels.get(label) == matched for labels in told), f"{rule['alert']}: {name} {label}"


def every_figure_is_explained(*scraped: Scraped) -> None:
    told = {OF_A_HISTOGRAM.sub("", name) for one in scraped for name in one.names}
    explained = set(re.findall(r"^\| `(pantau_\w+)", PAGE, re.MULTILINE))
    # Deriver, answers and sinks are programs that this city does not start.
    elsewhere = ("pantau_sink_", "pantau_work_", "pantau_answers_")
    explained = {name for name in explained if not name.startswith(elsewhere)}
    assert told - explained == set(), "told and not explained"
    assert explained - told <= {"pantau_bridge_malformed_total"}, "explained and not told"


def no_label_grows_with_the_fleet(*scraped: Scraped) -> None:
    labels = {label for one in scraped for name in one.names for found in one.labels(name) for label in found}
    assert labels <= {"lane", "outcome", "link", "reason", "le", "file", "state", "topic"}
    assert all(UNIT not in str(one.labels(name)) for one in scraped for name in one.names)
