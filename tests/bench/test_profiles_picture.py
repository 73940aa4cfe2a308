"""The picture of docs/profiles.md: what a map shows between reports, drawn without saying where that was."""

from __future__ import annotations

import re
from itertools import islice, pairwise
from xml.etree import ElementTree as ET

from bench.profiles import INTERVAL, default
from bench.profiles_picture import live, picture
from bench.report import percentile
from edge.config import MovingProfile
from edge.gps_unit.fix import EpochAssembler, Fix
from edge.gps_unit.motion import elapsed_s
from edge.gps_unit.nmea import Framer
from edge.sim.drive import drive
from edge.sim.nmea import say


def driven(count: int) -> list[Fix]:
    framer, epochs = Framer(), EpochAssembler()
    said = b"".join(say(seen) for seen in islice(drive(1_793_534_400_000, seed=3, cold_start=False), 60 + count))
    return [fix for sentence in framer.feed(said) if (fix := epochs.feed(sentence, 0))][-count:]


def test_a_map_that_is_told_early_is_nearer_than_one_that_is_told_by_the_clock() -> None:
    fixes = driven(300)
    early, beat = live(default(MovingProfile), fixes), live(INTERVAL, fixes)
    assert early.off_m[0] == 0.0 and early.reported[0] == 0
    assert all(elapsed_s(fixes[a], fixes[b]) >= 10 for a, b in pairwise(beat.reported))
    assert percentile(early.off_m, 95) < percentile(beat.off_m, 95)


def test_the_picture_has_every_report_and_no_place() -> None:
    fixes = driven(120)
    text = picture(fixes)
    drawn = ET.fromstring(text)
    circles = drawn.findall("{http://www.w3.org/2000/svg}circle")
    reports = len(live(default(MovingProfile), fixes).reported) + len(live(INTERVAL, fixes).reported)
    assert len(circles) == reports + 2  # and the legend's
    assert not re.search(r"\d\.\d\d", text.replace("0 0 960", ""))  # tenths of a pixel, and no degrees
