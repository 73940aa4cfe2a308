"""The page and the picture of a soak say what the soak said, above all what did not hold."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

from torture.drift import STORE, Series, judge
from torture.life import Happening
from torture.recorder import CITY
from torture.report import Claim, Report
from torture.soak import Soaked
from torture.soak_report import as_run, broken, drawn, section

POINTS = [10.0 * i for i in range(61)]


def level(of: str, measure: str, value: float, per_s: float = 0.0) -> Series:
    return Series(of, measure, (tuple((at, value + per_s * at) for at in POINTS),))


def run_of(*series: Series, report: Report | None = None) -> dict[str, Any]:
    held = report or Report(scenario="soak", promise="A.", seed=7, claims=[Claim("all is well", True)])
    held.put_in, held.due, held.stored, held.up_bytes = 9000, 8900, 8950, 123_456
    held.faults = {"restart box-2": 6, "outage of box-1": 2}
    outage = Happening(300.0, "outage", 0, 60.0)
    soaked = Soaked(held, list(series), judge(series), 600.0, 1234, [outage])
    run = as_run(soaked, command="pantau soak --seed 7", machine="2 cores", seed=7, units=3, speed=5.0)
    found: dict[str, Any] = json.loads(json.dumps(run))
    return found


CALM = (
    level("bridge", "rss_mb", 35.0),
    level("bridge", "fds", 18),
    level(STORE, "pages_mb", 0.5, 0.001),
    level(STORE, "wal_mb", 4.0),
    level("box-1/outbox.db", "wal_mb", 0.2),
    level(CITY, "latency_p50_s", 0.27),
    level(CITY, "latency_p99_s", 0.4),
)


def test_a_calm_soak_is_told_with_its_account_and_what_each_process_held() -> None:
    run = run_of(*CALM)
    text = section(run, "figures/soak.svg")
    assert run["holds"] and broken(run) == []
    flat = " ".join(text.split())
    assert "**No drift, nothing missing.** 9,000 epochs put in, 8,900 due, 8,950 stored, **0 missing, 0 twice**" in flat
    assert "3 units for 10 minutes" in flat and "6 × restart box-2, 2 × outage of box-1" in flat
    assert "![memory, descriptors, threads, CPU, latency and disk over time](figures/soak.svg)" in text
    assert "1.1 MB, 123 bytes a fix: that grows by design" in flat and "1,234 rows" in flat
    assert "| bridge | 35 MB, grew 0 MB of 1.46 MB |  | 18, grew 0 of 0.5 |  |  |" in text
    assert "| box-1/outbox.db WAL | 0.2 MB | 0.2 MB | 0.537 MB | two checkpoints of 256 pages |" in text
    assert all(len(line) <= 120 for line in text.splitlines() if not line.startswith("|"))


def test_drift_and_a_broken_claim_are_not_hidden() -> None:
    lost = Report(scenario="soak", promise="A.", seed=7, claims=[Claim("every due epoch is stored", False, "3")])
    run = run_of(level("box-1", "rss_mb", 30.0, 0.05), report=lost)
    assert not run["holds"]
    assert broken(run)[0] == "every due epoch is stored (3)"
    assert broken(run)[1].startswith("box-1 RSS: 22.5 MB where 1.01 MB is allowed")
    text = " ".join(section(run).split())
    assert "**NOT HELD: every due epoch is stored (3); box-1 RSS" in text
    assert "**30 MB" not in text and "**60 MB, grew 22.5 MB of 1.01 MB: NOT HELD**" in text


def test_a_soak_that_measured_nothing_does_not_hold() -> None:
    run = run_of()
    assert not run["holds"] and broken(run) == ["nothing was measured"]
    assert "NOT HELD: nothing was measured." in section(run)
    failed = run_of(report=Report(scenario="soak", promise="A.", seed=7, error="Traceback\nRuntimeError: no box"))
    assert broken(failed) == ["Traceback\nRuntimeError: no box"]


def test_the_picture_has_a_panel_a_measure_and_shades_the_outages() -> None:
    root = ET.fromstring(drawn(run_of(*CALM)))
    svg = "{http://www.w3.org/2000/svg}"
    titles = [text.text for text in root.iter(f"{svg}text") if text.get("class") == "title"]
    assert titles == [
        "Resident memory, MB",
        "File descriptors",
        "Latency, port to consumer, s (p50 solid, p99 dashed)",
        "Store, MB (file solid, WAL dashed, pages in both dotted)",
        "Outboxes, MB (file solid, WAL dashed)",
    ]
    assert sum(rect.get("class") == "band" for rect in root.iter(f"{svg}rect")) == len(titles)
