"""The page of proof says what the run said, above all what did not hold."""

from __future__ import annotations

import dataclasses
from typing import Any

from torture.proof import page
from torture.report import Claim, Report


def run_of(*reports: Report) -> dict[str, Any]:
    rows = [{**dataclasses.asdict(report), "holds": report.holds} for report in reports]
    return {"command": "pantau torture --seed 7", "machine": "2 cores", "seed": 7, "took_s": 600.0, "reports": rows}


def test_figures_promises_and_totals_are_told() -> None:
    held = [Claim("something was due", True, "90")]
    one = Report(
        scenario="kill-random",
        promise="Nothing is lost.",
        seed=7,
        put_in=1234,
        due=90,
        stored=1233,
        named=5,
        claims=held,
    )
    one.faults, one.shed, one.recover_s = {"kill bridge": 3}, {"full": 12}, 4.25
    text = page(run_of(one), ["\n## soak\n"])
    assert (
        "1 of 1 promises held** in 10 minutes: 3 faults, 1,234 epochs put in, 90 due, 1,233 stored, **0 missing" in text
    )
    assert "| kill-random | 3 kill bridge | 1,234 | 90 | 1,233 | 0 | 0 | 5 | 0 | 12 full | 4.2 s | 0 |" in text
    assert text.index("## soak") < text.index("## What is not proven")


def test_what_is_broken_or_skipped_is_not_hidden() -> None:
    broken = Report(scenario="link-loss", promise="A.", seed=7, claims=[Claim("nothing is stored twice", False, "3")])
    failed = Report(scenario="link-slow", promise="B.", seed=7, error="Traceback\nRuntimeError: no box listens")
    skipped = Report(scenario="disk-full", promise="C.", seed=7, skipped="needs FUSE")
    text = page(run_of(broken, failed, skipped))
    assert "**0 of 2 promises held**" in text
    assert "A. **BROKEN**: nothing is stored twice (3)" in text
    assert "B. **BROKEN**: RuntimeError: no box listens" in text
    assert "C. (skipped: needs FUSE)" in text and "| disk-full |" not in text
