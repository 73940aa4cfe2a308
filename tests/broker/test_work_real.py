"""Real drives: the way is as long as whoever collected them says, and trips and stops are where a person sees them."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from broker.work.observed import Observed, observed
from broker.work.sessions import Kind, Session, derive
from broker.work.trips import trips_of
from pantau.work_files import read_files

# Manoeuvres of a racing car within 100 m: no journey, by the published threshold.
IN_PLACE = "racecar_parkinglot_10hz.csv"


def sessions(seen: Observed) -> Sequence[Session]:
    assert seen.extent is not None
    return derive(seen, seen.extent)


def test_the_way_is_as_long_as_it_was(real_data: Path) -> None:
    with (real_data / "tracks" / "MANIFEST.tsv").open(newline="") as file:
        drives = [row for row in csv.DictReader(file, delimiter="\t") if row["file"] != IN_PLACE]
    assert len(drives) > 20
    for drive in drives:
        found = sessions(read_files(real_data / "tracks" / drive["file"], None).seen)
        km = sum(each.distance_cm for each in found) / 100_000
        assert km == pytest.approx(float(drive["km"]), rel=0.05, abs=0.1), drive["file"]


@pytest.mark.parametrize(
    ("name", "trips", "stops_min"),
    [("bus_limerick_304.csv", 2, [4, 3]), ("bicycle_bristol.csv", 3, [2, 3, 8]), ("car_omaha_nds_31.csv", 1, [3])],
)
def test_trips_and_stops_are_those_of_the_pictures(
    real_data: Path, name: str, trips: int, stops_min: list[int]
) -> None:
    found = sessions(read_files(real_data / "tracks" / name, None).seen)
    assert len(trips_of(found)) == trips
    assert [round(each.lasts_ms / 60_000) for each in found if each.kind is Kind.STOPPED] == stops_min


def test_a_car_that_stays_within_a_lot_has_gone_nowhere(real_data: Path) -> None:
    found = sessions(read_files(real_data / "tracks" / IN_PLACE, None).seen)
    assert {each.kind for each in found} == {Kind.STOPPED}


def test_shuffled_real_fixes_give_the_same(real_data: Path) -> None:
    seen = read_files(real_data / "tracks" / "car_munich_2009.csv", None).seen  # it begins with a bad fix
    fixes = [*seen.fixes, *seen.fixes[::7]]
    expected = sessions(seen)
    for order in range(20):
        random.Random(order).shuffle(fixes)
        assert sessions(observed(fixes, signs=seen.signs)) == expected
