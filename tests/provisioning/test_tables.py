"""Spreadsheets: twice is once, everything wrong is named at once, and a dry run changes nothing."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.registry import Registry
from provisioning.tables import as_csv, read_table, take_table
from settings.errors import ConfigError

UNITS = "unit,kind,iccid,note\nbox-1,gps_unit,8962100012345678901,north\nbox-2,camera_node,,\n"
ASSETS = (
    "asset,agency,kind,plate,lat_deg,lon_deg\nambulance-7,health,ambulance,B 9007,,\npole-1,roads,pole,,-6.2,106.8\n"
)
SERVED = """unit,asset,from_utc,to_utc
box-1,ambulance-7,2026-11-01T00:00:00Z,
box-2,pole-1,2026-11-02T00:00:00Z,2026-11-03T00:00:00Z
"""
SIMS = "iccid,operator,plan_mb,apn\n8962100012345678901,telkomsel,500,internet\n"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "registry.db", who="rini") as registry:
        yield registry


def take(registry: Registry, text: str, *, dry_run: bool = False) -> int:
    return take_table(registry, read_table(io.StringIO(text), "x.csv"), "x.csv", dry_run=dry_run)


def test_what_goes_in_comes_out_and_twice_is_once(registry: Registry) -> None:
    given = {"units": UNITS, "assets": ASSETS, "assignments": SERVED, "sims": SIMS}
    assert [take(registry, text) for text in given.values()] == [2, 2, 2, 1]
    assert {name: as_csv(registry, name) for name in given} == given
    before = len(registry.changes())
    assert [take(registry, text) for text in given.values()] == [0, 0, 0, 0]
    assert len(registry.changes()) == before


def test_a_dry_run_says_how_many_and_changes_nothing(registry: Registry) -> None:
    assert take(registry, UNITS, dry_run=True) == 2
    assert registry.units() == [] and registry.changes() == []


def test_everything_wrong_is_named_with_its_line_and_nothing_is_changed(registry: Registry) -> None:
    take(registry, UNITS)
    wrong = "unit,asset,from_utc,to_utc\nbox-1,nowhere,2026-11-01,\nbox-9,nowhere,2026-11-01,\nbox-1,x,noon,\n"
    with pytest.raises(ConfigError) as error:
        take(registry, wrong)
    assert [problem.key for problem in error.value.problems] == ["line 2", "line 3", "line 4"]
    assert registry.served() == []


def test_an_unknown_first_line_and_a_short_row_are_told_what_is_wanted(registry: Registry) -> None:
    with pytest.raises(ConfigError, match="unit,kind,iccid,note"):
        take(registry, "box,what\n1,2\n")
    with pytest.raises(ConfigError, match="4 columns"):
        take(registry, "unit,kind,iccid,note\nbox-1,gps_unit\n")


def test_importing_an_enrolled_box_again_leaves_it_enrolled(registry: Registry) -> None:
    take(registry, UNITS)
    registry.set_state("box-1", "enrolled", "enrol")
    assert take(registry, UNITS) == 0
    unit = registry.unit("box-1")
    assert unit is not None and unit.state == "enrolled"


def test_a_sheet_that_says_two_things_of_one_box_is_refused_and_the_same_row_twice_is_once(registry: Registry) -> None:
    with pytest.raises(ConfigError, match="box-1 once; line 2 says something else"):
        take(registry, UNITS + "box-1,gps_unit,,south\n")
    assert registry.units() == []
    assert take(registry, UNITS + UNITS.splitlines()[1] + "\n") == 2
