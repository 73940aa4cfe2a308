"""Hours, sessions and notices as topics: any order of arrival ends in the same, a correction names what it replaces."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mqtt_client import MqttClient
from work_days import DAY_MS, MIDNIGHT, H, S, acted
from work_heard import Heard

from broker.assets import Assignment
from broker.mosquitto import ThrowawayMosquitto
from broker.store import Arrival, Store, open_store
from broker.work.areas import Areas, read_areas
from broker.work.deriver import GRACE_MS, MOST_DAYS, Deriver
from broker.work.memory import POINTS, Stretch, WorkMemory
from edge.sim.work import Act, Day, played
from edge.sim.work_box import Row, recorded
from provisioning.throwaway import Authority

JAKARTA = ZoneInfo("Asia/Jakarta")
WORK = "city/v1/fire/engine-3/work"
HOURS = "city/v1/fire/engine-3/hours"
MORNING = [
    Act("parked", 1800), Act("travelling", 900, 12.0), Act("working", 2400), Act("idling", 600),
    Act("travelling", 900, 10.0), Act("parked", 7200),
]  # fmt: skip
HELD = Assignment(unit="box-1", asset="engine-3", agency="fire", kind="fire_engine", from_utc_ms=0, to_utc_ms=None)


def arrivals(rows: Iterable[tuple[int, Row]]) -> list[Arrival]:
    return [Arrival(row.box, 7, seq, row.cls, row.kind, row.body, row.to_ms + S) for seq, row in rows]


def numbered(day: Day) -> list[tuple[int, Row]]:
    return list(enumerate(recorded(day), 1))


class Centre:
    """A store, a deriver beside it and whoever listens, without a broker between them."""

    def __init__(self, folder: Path, *, areas: Areas | None = None, at: Callable[[str], None] | None = None) -> None:
        self.store = open_store(f"sqlite:///{folder}/store.db", writer=True)
        self.store.set_assignments([HELD])
        self._folder = folder
        self._areas = areas or Areas()
        self.heard = Heard()
        self.now_ms = MIDNIGHT + 12 * H
        self.cursor = 0
        self.start(at or (lambda _point: None))

    def start(self, at: Callable[[str], None] = lambda _point: None) -> None:
        self.memory = WorkMemory(self._folder / "work.db", at=at)
        self.deriver = Deriver(self.store, self.memory, zone=JAKARTA, areas=self._areas, keep_days=36_500, each_s=0.0)

    def work(self) -> list[dict[str, object]]:
        """Derive all there is; what was new to the listener."""
        self.deriver.close_days(self.now_ms)
        while (reached := self.deriver.take(self.cursor)) != self.cursor:
            self.cursor = reached
        while self.deriver.derive_next(self.now_ms, time.monotonic()):
            pass
        return self.heard.of(self.memory)

    def close(self) -> None:
        self.memory.__exit__()
        self.store.close()


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    made = Centre(tmp_path)
    yield made
    made.close()


DAY = acted(*MORNING)
ROWS = numbered(DAY)


# ------------------------------------------------------------------ what is told


def test_a_day_is_told_session_by_session_and_its_hours_are_those_of_the_truth(centre: Centre) -> None:
    centre.store.commit(arrivals(ROWS))
    centre.work()
    told = centre.heard.leaf("work")
    assert [(each["kind"], each["ended_by"]) for each in told][1:] == [
        ("travelling", "pto_on"), ("working", "pto_off"), ("idling", "moved"), ("travelling", "ignition_off"),
    ]  # fmt: skip
    assert all(a["to_utc"] == b["from_utc"] for a, b in pairwise(told))
    (hours,) = centre.heard.leaf("hours")
    assert abs(hours["working_s"] - 2400) <= 60
    assert hours["day"] == "2025-11-24"
    assert not hours["complete"]  # it stands parked, and the day goes on
    assert told[2]["geometry"]["coordinates"][0] == pytest.approx(106.8, abs=0.2)


def test_what_is_open_is_not_told_until_it_is_over(centre: Centre) -> None:
    centre.store.commit(arrivals(each for each in ROWS if each[1].to_ms < MIDNIGHT + 4000 * S))
    centre.work()
    assert [each["kind"] for each in centre.heard.leaf("work")][1:] == ["travelling"]
    assert centre.heard.leaf("hours")[0]["working_s"] > 1200  # which hours so far have


def test_nothing_is_told_twice_and_nothing_without_a_change(centre: Centre) -> None:
    centre.store.commit(arrivals(ROWS))
    assert centre.work()
    centre.memory.touch([])
    assert centre.work() == []
    health = arrivals(ROWS[-1:])  # a duplicate, which the store does not store
    centre.store.commit(health)
    assert centre.work() == []


def test_late_records_correct_and_the_correction_names_what_it_replaces(centre: Centre) -> None:
    late = [each for each in ROWS if 3000 * S <= each[1].from_ms - MIDNIGHT < 4500 * S]
    centre.store.commit(arrivals(each for each in ROWS if each not in late))
    centre.work()
    before = {each["id"]: each for each in centre.heard.leaf("work")}
    assert "unknown" in {each["kind"] for each in before.values()} or len(before) > 5
    centre.store.commit(arrivals(late))
    news = centre.work()
    corrections = [each for each in news if each["corrects"]]
    assert corrections
    assert all(set(each["corrects"]) <= set(before) for each in corrections)
    assert all(each["revision"] == 1 for each in corrections)
    untouched = [each for each in before.values() if each in centre.heard.leaf("work")]
    assert untouched  # what did not change is not told anew
    assert [each["kind"] for each in centre.heard.leaf("work")][1:] == ["travelling", "working", "idling", "travelling"]


def test_a_record_that_turns_out_to_be_anothers_is_taken_back(centre: Centre) -> None:
    centre.store.commit(arrivals(ROWS))
    centre.work()
    other = Assignment(unit="box-1", asset="pump-9", agency="water", kind="pump", from_utc_ms=0, to_utc_ms=None)
    centre.store.set_assignments([other])
    news = centre.work()
    assert {each["withdrawn"] for each in news if each["asset"] == "engine-3"} == {True}
    assert {topic for topic, _ in centre.heard.holds} == {"city/v1/water/pump-9/work", "city/v1/water/pump-9/hours"}


def test_a_day_after_which_nothing_was_heard_is_closed_by_the_clock(centre: Centre) -> None:
    centre.store.commit(arrivals(ROWS))
    centre.work()
    centre.now_ms = MIDNIGHT + DAY_MS + GRACE_MS
    news = centre.work()
    assert [each["kind"] for each in news if "kind" in each] == ["parked", "unknown"]
    (hours,) = centre.heard.leaf("hours")
    assert hours["complete"]
    assert hours["unknown_s"] == pytest.approx(24 * 3600 - sum(act.lasts_s for act in MORNING), abs=60)
    assert centre.work() == []


def test_only_touched_days_of_touched_assets_are_derived(centre: Centre) -> None:
    centre.store.commit(arrivals(ROWS))
    centre.work()
    before = centre.deriver.derived
    centre.store.commit(arrivals([(len(ROWS) + 1, ROWS[len(ROWS) // 2][1])]))
    centre.work()
    assert 1 <= centre.deriver.derived - before <= 2


def scattered(count: int) -> list[tuple[int, Row]]:
    """A minute of work on each of as many days of the past, each some days from the next."""
    acts = [Act("parked", 10), Act("working", 60), Act("parked", 10)]
    days = (played(acts, MIDNIGHT + 9 * H - index * 3 * DAY_MS, index) for index in range(count))
    return list(enumerate((row for day in days for row in recorded(day)), 1))


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_an_asset_with_many_touched_days_keeps_no_other_one_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    rows = scattered(count)
    steps: list[int] = []
    told: list[dict[tuple[str, str], dict[str, object]]] = []
    for most in (MOST_DAYS, 10 * count):  # and all at once, to compare with
        monkeypatch.setattr("broker.work.deriver.MOST_DAYS", most)
        centre = Centre(folder_in(tmp_path, f"most-{most}"))
        centre.store.set_assignments([HELD, replace(HELD, unit="box-2", asset="engine-4")])
        centre.store.commit(arrivals(rows))
        centre.store.commit([each._replace(unit="box-2") for each in arrivals(ROWS)])
        while (reached := centre.deriver.take(centre.cursor)) != centre.cursor:
            centre.cursor = reached
        before = 0
        while centre.deriver.derive_next(centre.now_ms, time.monotonic()):
            steps.append(centre.deriver.derived - before)
            before = centre.deriver.derived
            centre.heard.of(centre.memory)
            if most == MOST_DAYS and len(steps) == 2:  # a bounded step of the one, and then the other
                days = {(each["asset"], each["day"]) for each in centre.heard.leaf("hours")}
                assert {("engine-3", "2025-11-24"), ("engine-4", "2025-11-24")} <= days
        assert centre.memory.counts() == (0, 0)
        told.append(centre.heard.final())
        centre.close()
    several, whole = told
    assert max(steps[:-2]) < MOST_DAYS + 5  # a stretch reaches over some days
    assert sum(each["asset"] == "engine-3" for (topic, _), each in whole.items() if topic == HOURS) >= count
    assert several == whole


# ------------------------------------------------------------------ purged


DAY_2 = MIDNIGHT + 7 * H  # the UTC day that begins within Jakarta's 24 November: a purge takes whole UTC days


def test_a_purge_forgets_where_and_keeps_how_long(centre: Centre, tmp_path: Path) -> None:
    centre.store.commit(arrivals(ROWS))
    centre.work()
    (before,) = centre.heard.leaf("hours")
    place = json.dumps(centre.heard.leaf("work")[2]["geometry"]["coordinates"]).replace(" ", "").encode()
    assert found_in(tmp_path, place)
    assert centre.store.purge(DAY_2).rows
    centre.now_ms += 60 * S
    assert centre.work() == []  # nobody is told that it never happened
    assert not found_in(tmp_path, place)
    assert [each.topic for each in centre.memory.retained()] == [HOURS]
    newcomer = Heard()
    for message in centre.memory.retained():
        newcomer.take(message.topic, message.payload)
    assert newcomer.leaf("hours")[0]["working_s"] == before["working_s"] > 0


def found_in(folder: Path, words: bytes) -> bool:
    return any(words in file.read_bytes() for file in folder.iterdir() if file.is_file())


def test_a_late_record_of_a_purged_day_changes_nothing_that_was_told(centre: Centre) -> None:
    late = ROWS[len(ROWS) // 2 : len(ROWS) // 2 + 20]
    centre.store.commit(arrivals(each for each in ROWS if each not in late))
    centre.work()
    centre.store.purge(DAY_2)
    centre.store.commit(arrivals(late))
    centre.now_ms += 2 * DAY_MS  # nor does the clock close what is not known any more
    assert centre.work() == []
    assert centre.memory.counts() == (0, 0)


def test_a_purge_of_another_asset_or_of_days_before_leaves_what_was_told(centre: Centre, tmp_path: Path) -> None:
    centre.store.commit(arrivals(ROWS))
    centre.work()
    place = json.dumps(centre.heard.leaf("work")[2]["geometry"]["coordinates"]).replace(" ", "").encode()
    centre.store.purge(DAY_2, asset="engine-4")
    centre.store.purge(MIDNIGHT - DAY_MS)
    centre.now_ms = MIDNIGHT + DAY_MS + GRACE_MS
    assert [each["kind"] for each in centre.work() if "kind" in each] == ["parked", "unknown"]
    assert found_in(tmp_path, place)


def test_messages_that_were_not_sent_yet_are_purged_with_the_rest(centre: Centre, tmp_path: Path) -> None:
    centre.store.commit(arrivals(ROWS))
    centre.deriver.take(0)
    while centre.deriver.derive_next(centre.now_ms, time.monotonic()):
        pass
    waiting = centre.memory.counts()[1]
    assert waiting > 5
    assert centre.memory.purge(DAY_2, "engine-4") == 0
    with WorkMemory(tmp_path / "work.db") as beside:  # as `pantau purge` does it, from another process
        assert beside.purge(DAY_2, "engine-3") == 2 * (waiting - 1)
    assert [message.topic for _, message in centre.memory.waiting(0, 100)] == [HOURS]


def test_a_purge_that_begins_while_a_day_is_read_ends_in_no_correction(centre: Centre) -> None:
    centre.store.commit(arrivals(ROWS))
    centre.work()
    centre.memory.touch([Stretch("fire", "engine-3", MIDNIGHT + 1000, MIDNIGHT + 2000)])
    purged_before, asked = centre.store.purged_before, 0

    def purging() -> dict[str | None, int]:
        nonlocal asked
        known = purged_before()
        asked += 1
        if asked == 1:  # between the first look and the reading
            centre.store.purge(DAY_2)
        return known

    centre.store.purged_before = purging  # type: ignore[method-assign]
    centre.deriver.derive("fire", "engine-3", centre.now_ms)
    assert asked == 2
    assert centre.heard.of(centre.memory) == []


# ------------------------------------------------------------------ any order, any moment


def delivered(
    folder: Path, order: Sequence[tuple[int, Row]], batches: int, *, now_ms: int = MIDNIGHT + 12 * H
) -> Centre:
    centre = Centre(folder)
    centre.now_ms = now_ms
    step = -(-len(order) // batches)
    for first in range(0, len(order), step):
        centre.store.commit(arrivals(order[first : first + step]))
        centre.work()
    return centre


@settings(
    max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_every_order_of_arrival_ends_in_the_same_messages(
    tmp_path_factory: pytest.TempPathFactory, dice: random.Random, batches: int
) -> None:
    centre = delivered(tmp_path_factory.mktemp("ordered"), ROWS, 1)
    shuffled = [*ROWS]
    dice.shuffle(shuffled)
    other = delivered(tmp_path_factory.mktemp("shuffled"), shuffled, batches)
    try:
        assert other.heard.final() == centre.heard.final()
        assert len(centre.heard.final()) == 6
    finally:
        centre.close()
        other.close()


class Killed(Exception):
    pass


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("nth", [1, 2])
def test_killed_at_a_point_it_repeats_and_loses_nothing(tmp_path: Path, point: str, nth: int) -> None:
    passed = 0

    def at(reached: str) -> None:
        nonlocal passed
        passed += reached == point
        if passed == nth and reached == point:
            raise Killed

    whole = delivered(folder_in(tmp_path, "whole"), ROWS, 3)
    folder = folder_in(tmp_path, "killed")
    centre = Centre(folder, at=at)
    for third in range(3):
        step = -(-len(ROWS) // 3)
        centre.store.commit(arrivals(ROWS[third * step : (third + 1) * step]))
        try:
            centre.work()
        except Killed:
            centre.memory.__exit__()
            centre.start()  # its cursor may be an older one
            centre.cursor = max(0, centre.cursor - 50)
            centre.work()
    assert passed >= nth
    assert centre.heard.final() == whole.heard.final()
    centre.close()
    whole.close()


def folder_in(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    return folder


# ------------------------------------------------------------------ areas


def areas_around(day: Day, **more: str) -> Areas:
    """A square of 300 m around where it works."""
    begin = next(told for told in day.truth if told.does == "working").from_ms
    there = next(epoch for epoch in day.epochs if epoch.at_ms >= begin)
    lat, lon, d = there.lat_e7 / 1e7, there.lon_e7 / 1e7, 0.0014
    ring = [[lon - d, lat - d], [lon + d, lat - d], [lon + d, lat + d], [lon - d, lat + d], [lon - d, lat - d]]
    feature = {
        "type": "Feature", "properties": {"name": "Site 7, East", **more},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }  # fmt: skip
    return Areas(read_areas(json.dumps({"type": "FeatureCollection", "features": [feature]}), "test"))


@pytest.mark.parametrize(("more", "office"), [({}, "fire"), ({"office": "kec-menteng"}, "kec-menteng")])
def test_the_office_of_an_area_hears_what_enters_and_leaves(tmp_path: Path, more: dict[str, str], office: str) -> None:
    centre = Centre(tmp_path, areas=areas_around(DAY, **more))
    centre.store.commit(arrivals(ROWS))
    centre.work()
    notices = centre.heard.leaf("notice")
    assert {topic for topic, _ in centre.heard.holds if topic.endswith("notice")} == {
        f"city/v1/{office}/areas/site-7-east/notice"
    }
    events = [each["event"] for each in notices]  # it passes by more than once
    assert events == ["entered", "left"] * (len(events) // 2)
    assert events
    assert all(each["area"] == "Site 7, East" and each["doubt_s"] <= 60 for each in notices)
    assert "Site 7, East" in next(each for each in centre.heard.leaf("work") if each["kind"] == "working")["areas"]
    centre.close()


def test_a_notice_that_late_records_move_is_corrected(tmp_path: Path) -> None:
    centre = Centre(tmp_path, areas=areas_around(DAY))
    begin = next(told for told in DAY.truth if told.does == "working").from_ms
    late = [each for each in ROWS if begin - 200 * S <= each[1].from_ms < begin + 300 * S]
    centre.store.commit(arrivals(each for each in ROWS if each not in late))
    centre.work()
    before = {each["id"]: each for each in centre.heard.leaf("notice")}
    centre.store.commit(arrivals(late))
    news = [each for each in centre.work() if "event" in each and each["corrects"]]
    assert news
    for each in news:
        replaced = [before[gone] for gone in each["corrects"]]
        assert all(old["event"] == each["event"] and old["doubt_s"] > each["doubt_s"] for old in replaced)
    centre.close()


# ------------------------------------------------------------------ as a part of the centre


Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def part(tmp_path: Path, authority: Authority, mosquitto: ThrowawayMosquitto) -> Iterator[Start]:
    """Starts `python -m broker work`; what still runs at the end is killed."""
    for name, role in {"bridge-1": "bridge", "bridge-1-receipts": "bridge", "bridge-publisher": "publisher"}.items():
        authority.ensure(name, role)
    authority.ensure("bridge-work", "publisher")
    config = tmp_path / "centre.toml"
    config.write_text(
        f'[broker]\nhost = "localhost"\nport = {mosquitto.port}\nrun = false\n'
        f'[credentials]\ndirectory = "{authority.directory}"\n'
        f'[store]\nurl = "sqlite:///{tmp_path}/store.db"\nstate_directory = "{tmp_path}"\n'
        "[metrics]\nwork_port = 0\n[work]\nkeep_days = 36500\n"
    )
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-m", "broker", "--config", str(config), "work"]))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_killed_between_commit_and_delivery_and_cut_off_the_consumer_misses_nothing(
    tmp_path: Path,
    client: Callable[..., MqttClient],
    mosquitto: ThrowawayMosquitto,
    part: Start,
) -> None:
    whole = delivered(folder_in(tmp_path, "whole"), ROWS, 1, now_ms=time.time_ns() // 1_000_000)
    expected = {key: content for key, content in whole.heard.final().items() if key[0] == WORK}
    whole.close()
    heard, reader = Heard(), client("city-fire")
    reader.subscribe("city/v1/fire/+/work", "city/v1/fire/+/hours")
    store: Store
    with open_store(f"sqlite:///{tmp_path}/store.db", writer=True) as store:
        store.set_assignments([HELD])
        store.commit(arrivals(ROWS[: len(ROWS) // 2]))
        process = part()
        deadline = time.monotonic() + 60
        while not heard.all:
            listen(reader, heard)
            assert time.monotonic() < deadline
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        store.commit(arrivals(ROWS[len(ROWS) // 2 :]))
        part()
        while {key: value for key, value in heard.final().items() if key[0] == WORK} != expected:
            listen(reader, heard)
            assert time.monotonic() < deadline, heard.final()
    newcomer = client("city-fire")
    newcomer.subscribe("city/v1/fire/+/hours")
    kept = newcomer.next(matching=lambda message: message.retain)
    assert json.loads(kept.payload)["day"] in ("2025-11-24", "2025-11-25")


def listen(reader: MqttClient, heard: Heard) -> None:
    for topic, payload in reader.heard():
        heard.take(topic, payload)
    time.sleep(0.05)
