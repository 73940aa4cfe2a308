"""The parts that a centre may leave out tell how far behind they are, what failed, and when they last worked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from arrivals import NOON, UNIT, drive
from mqtt_client import MqttClient
from scrape import Scraped, free_port, open_to, scrape

from broker.answer_figures import Answered, answer_figures
from broker.assets import Assignment
from broker.figure import Histogram
from broker.mosquitto import ThrowawayMosquitto
from broker.store import StoreUnavailable, open_store
from broker.survey import look_at_work
from broker.work import CURSOR_NAME
from broker.work.areas import Areas
from broker.work.deriver import Deriver
from broker.work.memory import Stretch, WorkMemory
from broker.work.teller import Spoken, work_figures
from provisioning.throwaway import Authority

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "operating.md").read_text("utf-8")
DEADLINE_S = 90.0


@pytest.fixture
def config(tmp_path: Path, authority: Authority, mosquitto: ThrowawayMosquitto) -> Path:
    """A centre with a drive in its store, and ports for both parts."""
    for name, role in {"bridge-1": "bridge", "bridge-1-receipts": "bridge"}.items():
        authority.ensure(name, role)
    for name in ("bridge-publisher", "bridge-work", "bridge-answers"):
        authority.ensure(name, "publisher")
    with open_store(f"sqlite:///{tmp_path}/store.db", writer=True) as store:
        store.set_assignments(
            [Assignment(unit=UNIT, asset="engine-3", agency="fire", kind="engine", from_utc_ms=0, to_utc_ms=None)]
        )
        store.commit(drive(range(1, 200)))
    path = tmp_path / "centre.toml"
    path.write_text(
        f'[broker]\nhost = "localhost"\nport = {mosquitto.port}\nrun = false\n'
        'consumers = [{ name = "city-fire", agencies = ["fire"] }]\n'
        f'[credentials]\ndirectory = "{authority.directory}"\n'
        f'[store]\nurl = "sqlite:///{tmp_path}/store.db"\nstate_directory = "{tmp_path}"\n'
        f"[metrics]\nwork_port = {free_port()}\nanswers_port = {free_port()}\n[work]\nkeep_days = 36500\n"
    )
    return path


@pytest.fixture
def part(config: Path) -> Iterator[Callable[[str], Callable[[], Scraped]]]:
    """Starts a part; what it gives scrapes it."""
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str) -> Callable[[], Scraped]:
        started.append(subprocess.Popen([sys.executable, "-m", "broker", "--config", str(config), name]))
        found = re.search(rf"{name}_port = (\d+)", config.read_text())
        assert found
        port = int(found[1])
        eventually(lambda: open_to("127.0.0.1", port))
        return lambda: scrape(port)

    yield start
    for process in started:
        process.terminate()
    for process in started:
        assert process.wait(30) == 0


def eventually(claim: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not claim():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.1)


def test_the_deriver_tells_its_lag_and_what_it_has_done(part: Callable[[str], Callable[[], Scraped]]) -> None:
    told = part("work")
    eventually(lambda: told().value("pantau_work_messages_total") >= 1)
    eventually(lambda: "pantau_work_unread_entries" in told().names)
    eventually(lambda: told().value("pantau_work_unread_entries") == 0)
    found = told()
    assert found.value("pantau_work_connected") == 1
    assert found.value("pantau_work_unread_seconds") == 0
    assert found.value("pantau_work_cursor_log_id") == 199
    assert found.value("pantau_work_days_total") >= 1
    assert 0 <= found.value("pantau_work_since_derived_seconds") < DEADLINE_S
    assert {found.value("pantau_work_failures_total", reason=r) for r in ("broker", "store", "derive")} == {0}


def test_the_answers_tell_what_became_of_each_question(
    part: Callable[[str], Callable[[], Scraped]], client: Callable[..., MqttClient]
) -> None:
    told, fire = part("answers"), client("city-fire")
    eventually(lambda: told().value("pantau_answers_connected") == 1)
    assert "pantau_answers_since_answer_seconds" not in told().names

    def ask(**question: object) -> None:
        fire.publish("ask/v1/city-fire/nearest", json.dumps(question).encode(), qos=1)

    def became(outcome: str) -> float:
        return told().value("pantau_answers_questions_total", outcome=outcome)

    eventually(lambda: ask(lat=-6.2, lon=106.8) or became("answered") >= 1)  # subscribed a moment after it connected
    ask(lat=91, lon=0)
    eventually(lambda: became("refused") == 1)
    found = told()
    assert found.value("pantau_answers_answer_seconds_count") == became("answered") + 1
    assert 0 <= found.value("pantau_answers_since_answer_seconds") < DEADLINE_S
    assert (became("dropped"), became("nobody"), found.value("pantau_answers_store_failures_total")) == (0, 0, 0)


def test_the_lag_is_the_age_of_what_nobody_has_looked_at(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/store.db", writer=True) as store:
        store.commit(drive(range(1, 4), received=time.time_ns() // 1_000_000 - 500_000))
        store.set_cursor(CURSOR_NAME, 1)
        entries, age_s = (figure.values[()] for figure in look_at_work(store, lambda _s: False))  # type: ignore[index]
        assert entries == 2
        assert 500 <= age_s < 500 + DEADLINE_S
        store.set_cursor(CURSOR_NAME, 3)
        assert [figure.values[()] for figure in look_at_work(store, lambda _s: False)] == [0, 0]  # type: ignore[index]


def test_an_asset_that_cannot_be_derived_is_counted_and_costs_the_others_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_store(f"sqlite:///{tmp_path}/store.db", writer=True) as store, WorkMemory(tmp_path / "w.db") as memory:
        store.set_assignments(
            [
                Assignment(unit=unit, asset=f"of-{unit}", agency="fire", kind="engine", from_utc_ms=0, to_utc_ms=None)
                for unit in ("bad", "good")
            ]
        )
        store.commit([*drive(range(1, 100), unit="bad"), *drive(range(1, 100), unit="good")])
        deriver = Deriver(store, memory, zone=ZoneInfo("Asia/Jakarta"), areas=Areas(), keep_days=9, each_s=0.0)
        deriver.take(0)
        rows = store.rows

        def stumble(**which: str) -> object:
            if which["asset"] == "of-bad":
                raise ZeroDivisionError("a fault of ours")
            return rows(**which)  # type: ignore[arg-type]

        store.rows = stumble  # type: ignore[method-assign, assignment]
        while deriver.derive_next(NOON, 0.0):
            pass
        assert (deriver.failures, deriver.failing) == (1, {("fire", "of-bad")})
        assert {message.topic.split("/")[3] for _, message in memory.waiting(0, 100)} == {"of-good"}
        assert "of-bad of fire cannot be derived" in caplog.text and "a fault of ours" in caplog.text
        assert memory.touched_assets() == {("fire", "of-bad")}  # it is not forgotten
        store.rows = rows  # type: ignore[method-assign]
        deriver.close_days(NOON)
        while deriver.derive_next(NOON, 0.0):
            pass
        assert (deriver.failures, deriver.failing) == (1, set())
        assert "of-bad" in {message.topic.split("/")[3] for _, message in memory.waiting(0, 100)}


def test_a_store_that_does_not_answer_is_no_fault_of_an_asset(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/store.db", writer=True) as store, WorkMemory(tmp_path / "w.db") as memory:
        memory.touch([Stretch("fire", "engine-3", NOON, NOON + 1000)])
        deriver = Deriver(store, memory, zone=ZoneInfo("Asia/Jakarta"), areas=Areas(), keep_days=9)
        store.close()
        (tmp_path / "store.db").unlink()
        with open_store(f"sqlite:///{tmp_path}/other.db", writer=True):
            store.rows = _away  # type: ignore[method-assign, assignment]
        with pytest.raises(StoreUnavailable):
            deriver.derive_next(NOON, 0.0)
        assert deriver.failing == set()


def _away(**_which: object) -> object:
    raise StoreUnavailable("the disk is gone")


def test_every_figure_is_on_the_page_and_every_alert_is_of_a_figure_that_there_is() -> None:
    told = [*work_figures(Spoken(), 0.0), *answer_figures(Answered(), 0.0)]
    missing = [figure.name for figure in told if f"`{figure.name}`" not in PAGE]
    assert missing == []
    names = {f"{figure.name}_bucket" if isinstance(figure.values, Histogram) else figure.name for figure in told}
    alerts = (REPOSITORY / "packaging" / "alerts.yml").read_text("utf-8")
    used = set(re.findall(r"pantau_(?:work|answers)_\w+", alerts))
    assert used
    assert used <= {*names, "pantau_work_unread_seconds"}
