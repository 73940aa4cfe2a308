"""Which states are published and when, over a real store."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from entries import NOON_MS, fix
from hypothesis import given, settings
from hypothesis import strategies as st
from schemas import check

from broker.assets import Assignment
from broker.clean import read_body
from broker.states import EACH_S, REPUBLISHED_PER_S, States
from broker.store import Arrival, Store, open_store
from wire.columns import encode_track
from wire.kinds import KIND_TRACK

DAY_MS = 86_400_000


def held(unit: str, asset: str, to_utc_ms: int | None = None) -> Assignment:
    return Assignment(unit=unit, asset=asset, agency="fire", kind="engine", from_utc_ms=0, to_utc_ms=to_utc_ms)


def track(unit: str, seq: int, at_ms: int, *, east: int = 0) -> Arrival:
    return Arrival(unit, 7, seq, 0, KIND_TRACK, encode_track([fix(at_ms, east=east)]), NOON_MS)


def drain(states: States, store: Store, now_s: float, after: int = 0) -> dict[str, bytes]:
    """Take the log after that log_id; what is due a second later, by topic."""
    for entry in store.read_log(after, 10_000):
        states.take(entry, read_body(entry), now_s)
    return {message.topic: message.payload for message in states.due(now_s + EACH_S)}


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with open_store(f"sqlite:///{tmp_path}/central.db", writer=True) as writer:
        writer.set_assignments([held("box-1", "engine-1"), held("box-2", "engine-2")])
        yield writer


def test_an_asset_is_published_at_once_and_then_at_most_once_a_second(store: Store) -> None:
    states = States(store)
    for step in range(1, 31):
        store.commit([track("box-1", step, NOON_MS - 100_000 + step * 100)])
    entries = store.read_log(0, 100)
    sent_s = []
    for i, entry in enumerate(entries):
        states.take(entry, read_body(entry), i * 0.1)
        sent_s += [i * 0.1 for _ in states.due(i * 0.1)]
    assert sent_s == pytest.approx([0.0, 1.0, 2.0])
    assert len(list(states.due(3.0))) == 1
    assert states.next_due_s() == float("inf")


def test_all_states_come_back_at_a_limited_rate_and_a_moving_one_first(store: Store) -> None:
    store.set_assignments([held(f"box-{i}", f"engine-{i}") for i in range(100)])
    store.commit([track(f"box-{i}", 1, NOON_MS - 9_000) for i in range(100)])
    states = States(store)
    assert len(drain(states, store, 0.0)) == 100
    states.republish_all(10.0)
    half_s = 50.5 / REPUBLISHED_PER_S
    first = [message.topic for message in states.due(10.0 + half_s)]
    assert len(first) == 51
    last = next(f"engine-{i}" for i in range(100) if f"city/v1/fire/engine-{i}/state" not in first)
    store.commit([track(last.replace("engine", "box"), 2, NOON_MS - 1_000)])
    entry = store.read_log(100, 1)[0]
    states.take(entry, read_body(entry), 10.0 + half_s)
    assert f"city/v1/fire/{last}/state" in [message.topic for message in states.due(10.0 + half_s)]
    assert len(list(states.due(10.0 + 100 / REPUBLISHED_PER_S))) == 48


def test_a_new_publisher_shows_what_the_store_has(store: Store) -> None:
    store.commit([track("box-1", 2, NOON_MS - 1_000), track("box-1", 1, NOON_MS - 9_000)])
    states = States(store)
    states.refresh(0.0, NOON_MS)
    shown = {message.topic: message.payload for message in states.due(0.0)}
    assert check("state", shown["city/v1/fire/engine-1/state"])["fix_utc"] == "2026-11-23T11:59:59.000Z"


def test_an_assignment_that_ran_out_ends_its_name_and_late_records_do_not_bring_it_back(store: Store) -> None:
    store.set_assignments([held("box-1", "engine-1", to_utc_ms=NOON_MS - 1_000)])
    store.commit([track("box-1", 2, NOON_MS - 5_000)])
    states = States(store)
    states.refresh(0.0, NOON_MS - 2_000)
    assert drain(states, store, 0.0)["city/v1/fire/engine-1/state"]
    states.refresh(10.0, NOON_MS)
    store.commit([track("box-1", 1, NOON_MS - 4_000)])
    assert drain(states, store, 10.0, after=1)["city/v1/fire/engine-1/state"] == b""
    store.set_assignments([held("box-1", "engine-1")])
    states.refresh(20.0, NOON_MS)
    assert drain(states, store, 20.0, after=store.last_log_id())["city/v1/fire/engine-1/state"]


def test_a_purged_position_is_no_longer_shown(store: Store) -> None:
    store.commit([track("box-1", 1, NOON_MS - 3 * DAY_MS)])
    states = States(store)
    assert drain(states, store, 0.0)["city/v1/fire/engine-1/state"]
    store.purge(NOON_MS - DAY_MS)
    states.refresh(10.0, NOON_MS)
    assert {message.payload for message in states.due(10.0)} == {b""}


times = st.integers(-20, 20).map(lambda s: NOON_MS + s * 1_000)
arrivals = st.lists(
    st.one_of(
        st.tuples(st.just("box-1"), times, st.integers(0, 999)),
        st.tuples(st.just("box-2"), times, st.integers(0, 999)),
        st.tuples(st.just("box-1"), st.just(NOON_MS + 400 * DAY_MS), st.just(0)),
    ),
    min_size=1,
    max_size=10,
)


def shown_after(rows: list[Arrival], chunk: int) -> dict[str, dict[str, Any]]:
    """What the states are when these arrive in this order, `chunk` to a transaction."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(f"sqlite:///{folder}/central.db", writer=True) as store,
    ):
        store.set_assignments([held("box-1", "engine-1"), held("box-2", "engine-2")])
        for i in range(0, len(rows), chunk):
            store.commit(rows[i : i + chunk])
        shown = drain(States(store), store, 0.0)
    contents = {topic: check("state", payload) for topic, payload in shown.items()}
    return {topic: {k: v for k, v in said.items() if k != "log_id"} for topic, said in contents.items()}


@settings(max_examples=25, deadline=None)
@given(drawn=arrivals, data=st.data())
def test_every_order_of_arrival_ends_in_the_same_states(drawn: list[Any], data: st.DataObject) -> None:
    rows = [track(unit, seq, at_ms, east=east) for seq, (unit, at_ms, east) in enumerate(drawn, 1)]
    shuffled = data.draw(st.permutations(rows))
    assert shown_after(rows, 3) == shown_after(shuffled, data.draw(st.integers(1, 4)))
