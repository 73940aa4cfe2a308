"""The live table says what the store and the clean topics say, with ages of the moment it is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from entries import NOON_MS, fix, track_entry
from mqtt_client import MqttClient
from rich.console import Console

from broker.assets import Assignment
from broker.clean import read_body
from broker.live import Picture, moved, state_message
from broker.mosquitto import ThrowawayMosquitto
from broker.presence import Presence, write_presence
from broker.store import Arrival, open_store
from pantau.watch import from_store, from_topics, rows_of, show, table
from provisioning.throwaway import Authority
from wire.columns import encode_track
from wire.kinds import KIND_TRACK


def state(**changes: Any) -> dict[str, Any]:
    entry = track_entry(NOON_MS)
    shown = state_message(moved(Picture("fire", "engine-3"), entry, read_body(entry)))
    return {**json.loads(shown.payload), **changes}


def presence(unit: str, *, online: bool = True, waiting_bytes: int | None = None) -> Presence:
    return Presence(
        unit=unit,
        online=online,
        since_utc_ms=NOON_MS,
        session=4,
        outbox_id=7,
        firmware=None,
        last_seen_utc_ms=NOON_MS,
        waiting_bytes=waiting_bytes,
    )


def test_ages_are_of_the_moment_of_reading() -> None:
    (now,) = rows_of([state()], {}, now_utc_ms=NOON_MS + 3_000)
    (later,) = rows_of([state()], {}, now_utc_ms=NOON_MS + 90_000)
    assert (now.fix_age_s, later.fix_age_s) == (3.0, 90.0)
    assert (now.lat_deg, now.lon_deg, now.speed_mps, now.link) == (-6.1754, 106.8272, 12.5, None)


def test_a_unit_without_a_fix_is_shown_with_its_link() -> None:
    known = {"box-7": presence("box-7", waiting_bytes=2_500), "box-8": presence("box-8", online=False)}
    rows = rows_of([state()], known, now_utc_ms=NOON_MS)
    assert [(row.unit, row.link, row.backlog_bytes) for row in rows] == [
        ("box-7", "online", 2_500),
        ("box-8", "offline", None),
    ]


@pytest.mark.parametrize(
    ("age_ms", "words"),
    [(5_000, "5 s"), (600_000, "10 min"), (4 * 3_600_000, "4 h"), (9 * 86_400_000, "9 d"), (-60_000, "in 60 s")],
)
def test_people_read_ages_in_their_own_units(age_ms: int, words: str) -> None:
    console = Console(width=200, record=True)
    console.print(table(rows_of([state()], {}, now_utc_ms=NOON_MS + age_ms)))
    text = console.export_text()
    assert words in text
    assert "45 km/h" in text
    assert "-6.17540 106.82720" in text


def test_the_store_and_the_presence_file_are_enough_on_one_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, known = f"sqlite:///{tmp_path}/central.db", tmp_path / "presence.json"
    write_presence(known, [presence("box-7", waiting_bytes=0)], {}, NOON_MS)
    with open_store(url, writer=True) as store:
        held = Assignment(unit="box-7", asset="engine-3", agency="fire", kind="engine", from_utc_ms=0, to_utc_ms=None)
        store.set_assignments([held])
        store.commit([Arrival("box-7", 7, 1, 0, KIND_TRACK, encode_track([fix(NOON_MS)]), NOON_MS)])
        with from_store(url, known) as source:
            show(source, once=True, as_json=True)
    (line,) = capsys.readouterr().out.splitlines()
    said = json.loads(line)
    assert (said["unit"], said["asset"], said["link"], said["backlog_bytes"]) == ("box-7", "engine-3", "online", 0)


def test_a_technician_far_away_sees_the_retained_states_of_his_agency(
    authority: Authority, mosquitto: ThrowawayMosquitto, client: Callable[..., MqttClient]
) -> None:
    authority.ensure("city-fire", "consumer")
    publisher = client("bridge-publisher")
    for agency in ("fire", "works"):
        payload = json.dumps(state(agency=agency)).encode()
        publisher.publish(f"city/v1/{agency}/engine-3/state", payload, qos=1, retain=True)
    publisher.settle("city/v1/publisher/cursor")
    with from_topics(mosquitto.host, mosquitto.port, authority.directory, "city-fire") as source:
        states, presences = source()
        assert [one["agency"] for one in states] == ["fire"]
        assert presences == {}
