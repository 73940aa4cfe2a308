"""The alert file is one Prometheus takes, every alert says what to do, and docs/operating.md speaks of each."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = REPOSITORY / "packaging" / "alerts.yml"
PAGE = (REPOSITORY / "docs" / "operating.md").read_text("utf-8")
GROUPS: list[dict[str, Any]] = yaml.safe_load(FILE.read_text("utf-8"))["groups"]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
PROMTOOL = shutil.which("promtool")


def test_every_alert_says_what_it_means_and_what_to_do_first() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert set(rule["annotations"]) == {"summary", "meaning", "first"}, rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert rule["labels"]["question"] in ("lost", "keeping_up", "talking", "disk"), rule["alert"]
        assert all(len(text) > 10 for text in rule["annotations"].values()), rule["alert"]


def test_the_page_names_every_alert_and_no_other() -> None:
    assert set(re.findall(r"`(Pantau[A-Z]\w+)`", PAGE)) == {rule["alert"] for rule in RULES}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here (Debian's package prometheus has it)")
def test_prometheus_takes_the_file() -> None:
    done = subprocess.run([PROMTOOL or "", "check", "rules", str(FILE)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here (Debian's package prometheus has it)")
def test_the_alerts_fire_when_they_should_and_are_silent_on_a_good_day(tmp_path: Path) -> None:
    cases = tmp_path / "alerts_test.yml"
    text = Path(__file__).with_name("alerts_test.yml").read_text("utf-8")
    cases.write_text(text.replace("ALERTS_FILE", str(FILE)), "utf-8")
    done = subprocess.run([PROMTOOL or "", "test", "rules", str(cases)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
