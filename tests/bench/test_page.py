"""The page of figures is made of what benches print, and of nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench import store
from bench.__main__ import BENCHES
from bench.page import NOTES, page
from bench.report import Figure, failed, show


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_figure_is_a_row_with_its_mark_and_its_note(capsys: pytest.CaptureFixture[str]) -> None:
    figures = [Figure("append p99 ratio", 0.98765, "", "<= 1.5", "interleaved"), Figure("rows", 1_234_567.0, "rows")]
    show("outbox", figures, as_json=True, conditions="rows of 115 B")
    shown = page(printed(capsys))
    assert f"## outbox: {BENCHES['outbox']}\n\nrows of 115 B\n" in shown
    assert "| append p99 ratio | 0.9877 |  | <= 1.5 | interleaved |" in shown
    assert "| rows | 1,234,567 | rows |  |  |" in shown


def test_growth_is_drawn_below_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    figures = [
        Figure(f"{units} units: {part} CPU", value, "µs/fix")
        for units, values in {"10": (8.0, 5.0), "5,000": (9.5, 5.25)}.items()
        for part, value in zip(("bridge", "publisher"), values, strict=True)
    ]
    show("units", figures, as_json=True)
    shown = page(printed(capsys))
    assert 'x-axis ["10", "5,000"]' in shown and "y-axis 0 --> 12" in shown
    assert "line [8, 9.5]\n  line [5, 5.25]\n```" in shown


def test_a_bench_that_failed_says_so_in_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    failed("drain", "TimeoutError: 3 parcels", as_json=True)
    assert "## drain: " in (shown := page(printed(capsys))) and "failed: TimeoutError: 3 parcels" in shown


def test_what_is_said_below_a_table_belongs_to_a_bench() -> None:
    assert set(NOTES) <= set(BENCHES)


@pytest.mark.slow
def test_the_stores_bench_runs_to_its_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(store, "SIZES", {"10 k": 10_000, "20 k": 20_000})
    monkeypatch.setattr(store, "COMMITS", 2)
    assert store.main(["--json"]) == 0
    (told,) = printed(capsys)
    if told["conditions"].startswith("skipped"):
        pytest.skip(told["conditions"])
    names = [figure["name"] for figure in told["figures"]]
    assert any("where it goes: COMMIT" in name for name in names)
    assert any("purge a day" in name for name in names)
