"""The bench of verdicts in small: it finds what it should, and its picture has a row for each fault."""

from __future__ import annotations

import math
from xml.etree import ElementTree

from bench.faults import FAULTS
from bench.verdicts import confusion, figures_of, scene_trials, upper_bound, watch
from bench.verdicts_page import page, picture


def test_a_few_faults_in_one_scene_and_some_minutes_without() -> None:
    trials = scene_trials(0, ("black", "covered"), ("strong",))
    assert all(trial.found for trial in trials)
    quiet = watch(0, 0.03)
    assert quiet.alarms == ()
    figures = {figure.name: figure for figure in figures_of(trials, [quiet])}
    assert figures["drawn scenes: strong faults found"].value == 100
    assert "false alarms" in page("", "few", list(figures.values()), [quiet])


def test_the_bound_is_poissons() -> None:
    assert math.isclose(upper_bound(0), 2.9957, rel_tol=1e-3)
    assert math.isclose(upper_bound(3), 7.7537, rel_tol=1e-3)


def test_the_picture_names_every_fault() -> None:
    text = "".join(ElementTree.fromstring(picture(confusion([]))).itertext())
    assert all(kind in text for kind in FAULTS)
