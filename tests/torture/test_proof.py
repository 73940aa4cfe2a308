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
    text = page(run_of(one), sections=["\n## soak\n"])
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


def test_what_ran_alone_stands_apart_with_all_that_it_claims() -> None:
    held = Report(scenario="kill-random", promise="A.", seed=7, claims=[Claim("something was due", True, "90")])
    skipped = Report(scenario="crowd-city", promise="B.", seed=7, skipped="needs 60 s")
    city = Report(scenario="crowd-city", promise="B.", seed=7, put_in=12, stored=12)
    city.claims = [Claim("all of it is stored, once", True, "9 of 9"), Claim("nothing is left", True, "[]")]
    text = page(run_of(held, skipped), [run_of(city)])
    assert "needs 60 s" not in text, "it did run"
    assert text.index("## kill") < text.index("## crowd-city, alone") < text.index("## How power is cut")
    assert "| all of it is stored, once | yes | 9 of 9 |\n| nothing is left | yes |  |" in text
    assert "| crowd-city |  | 12 | 0 | 12 | 0 |" in text
    city.claims.append(Claim("live is in time", False, "9 s"))
    broken = page(run_of(held, skipped), [run_of(city)])
    assert "B. **BROKEN**: live is in time (9 s)" in broken and "| live is in time | **no** | 9 s |" in broken
