"""Areas and corridors: inside or not, entering and leaving with hysteresis, and through between two sparse fixes."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.work.areas import Areas, BadAreas, read_areas
from broker.work.observed import Fix, Window
from broker.work.visits import Visit, visits, within

S = 1000
M = 90  # 1e-7 deg of latitude, or of longitude at the equator


def feature(kind: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": {"type": kind, "coordinates": coordinates}}


def areas(*features: dict[str, Any]) -> Areas:
    return Areas(read_areas(json.dumps({"type": "FeatureCollection", "features": list(features)}), "test"))


def degrees(*metres: tuple[float, float]) -> list[list[float]]:
    """(east, north) metres as GeoJSON positions around 0, 0."""
    return [[east * M / 1e7, north * M / 1e7] for east, north in metres]


SQUARE = degrees((0, 0), (1000, 0), (1000, 1000), (0, 1000), (0, 0))
SITE = feature("Polygon", [SQUARE], name="site")


def walk(*stops: tuple[int, float, float]) -> list[Fix]:
    """(second, east, north) in metres."""
    return [Fix(at_s * S, round(north * M), round(east * M)) for at_s, east, north in stops]


def found(fixes: Sequence[Fix], *features: dict[str, Any]) -> list[Visit]:
    return visits(fixes, areas(*features))


def test_in_and_out_with_the_times_between_the_fixes() -> None:
    (visit,) = found(walk((0, -500, 500), (10, 500, 500), (100, 500, 500), (110, 1500, 500)), SITE)
    assert (visit.area, visit.from_ms, visit.to_ms) == ("site", 5 * S, 105 * S)
    assert (visit.entered, visit.left, visit.doubt_ms) == (True, True, 10 * S)


def test_through_between_two_sparse_fixes() -> None:
    (visit,) = found(walk((0, -1000, 500), (60, 2000, 500)), SITE)
    assert (visit.from_ms, visit.to_ms, visit.doubt_ms) == (20 * S, 40 * S, 60 * S)
    assert found(walk((0, -1000, -500), (60, 2000, -500)), SITE) == []


def test_wandering_at_the_border_is_one_visit() -> None:
    dice = random.Random(1)
    fixes = walk((0, -500, 500), *((60 + 10 * n, dice.uniform(-20, 60), 500) for n in range(300)), (4000, -500, 500))
    (visit,) = found(fixes, SITE)
    assert visit.entered
    assert visit.left


def test_driving_along_the_border_is_no_visit() -> None:
    fixes = walk(*((n, 10 * n, 1000 + (8 if n % 20 < 10 else -8)) for n in range(100)))
    assert found(fixes, SITE) == []


def test_who_parks_across_the_street_has_left() -> None:
    fixes = walk((0, 500, 500), (50, -10, 500), *((50 + 60 * n, -10, 500) for n in range(1, 60)), (4000, 500, 500))
    assert len(found(fixes, SITE)) == 2


def test_what_was_before_the_first_fix_is_not_known() -> None:
    (visit,) = found(walk((0, 500, 500), (100, 500, 500)), SITE)
    assert (visit.entered, visit.left) == (False, False)
    (cut,) = within([visit], Window(10 * S, 20 * S))
    assert (cut.from_ms, cut.to_ms) == (10 * S, 20 * S)


def test_a_hole_is_outside() -> None:
    hole = degrees((400, 400), (600, 400), (600, 600), (400, 600), (400, 400))
    ring = areas(feature("Polygon", [SQUARE, hole], name="ring"))
    assert ring.at((500 * M, 500 * M)) == []
    assert ring.at((500 * M, 300 * M)) == ["ring"]


def test_a_corridor_is_kept_to_or_left() -> None:
    route = feature("LineString", degrees((0, 0), (5000, 0), (5000, 5000)), name="route 3", width_m=100)
    kept = walk(*((n, 20 * n, 30) for n in range(240)))
    (visit,) = found(kept, route)
    assert (visit.corridor, visit.left) == (True, False)
    left = walk(*((n, 20 * n, 30 if n < 100 else 30 + 5 * (n - 100)) for n in range(240)))
    (visit,) = found(left, route)
    assert visit.left
    assert 103 * S <= visit.to_ms <= 105 * S  # 50 m from the line


@given(
    st.lists(st.tuples(st.integers(-2000, 2000), st.integers(-2000, 2000)), min_size=3, max_size=12, unique=True),
    st.data(),
)
def test_a_way_that_crosses_the_border_oddly_often_changes_sides(
    ring: list[tuple[int, int]], data: st.DataObject
) -> None:
    shape = areas(feature("Polygon", [degrees(*ring)], name="any")).all[0].shape
    a, b = (tuple(data.draw(st.integers(-200_000, 200_000)) for _ in range(2)) for _ in range(2))
    corners = {(round(north * M), round(east * M)) for east, north in ring}
    if a == b or {a, b} & corners:
        return
    changes = (shape.depth_cm(a) > 0) != (shape.depth_cm(b) > 0)  # type: ignore[arg-type]
    on_the_border = min(abs(shape.depth_cm(a)), abs(shape.depth_cm(b))) < 1  # type: ignore[arg-type]
    assert on_the_border or changes == (len(shape.crossings(a, b)) % 2 == 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "no JSON"),
        ("[]", "no GeoJSON FeatureCollection"),
        (json.dumps({"features": [feature("Polygon", [SQUARE])]}), "feature 1: no name"),
        (json.dumps({"features": [feature("Point", [1, 2], name="p")]}), "a Point; wanted"),
        (json.dumps({"features": [feature("LineString", SQUARE, name="l")]}), "width_m is None"),
        (json.dumps({"features": [feature("Polygon", [[[1, 2], [3, 4]]], name="p")]}), "fewer than three"),
        (
            json.dumps({"features": [feature("Polygon", [[[-6, 106], [-6, 107], [0, 91]]], name="p")]}),
            "longitude first",
        ),
        (json.dumps({"features": [feature("Polygon", [["x"]], name="p")]}), "(p):"),
    ],
)
def test_a_bad_file_says_which_feature_and_why(text: str, problem: str) -> None:
    with pytest.raises(BadAreas, match=r"bad\.geojson") as caught:
        read_areas(text, "bad.geojson")
    assert problem in str(caught.value)


def test_the_kelurahan_of_jakarta_hold_what_stands_in_them(real_data: Path) -> None:
    file = real_data / "areas" / "jakarta_kelurahan.geojson"
    jakarta = Areas(read_areas(file.read_text("utf-8"), "kelurahan"))
    assert jakarta.at((-61_753_900, 1_068_271_500)) == ["Gambir"]  # the Monas
    assert jakarta.at((-62_251_000, 1_068_098_000)) != []  # Semanggi
    assert jakarta.at((-65_971_000, 1_068_060_000)) == []  # Bogor
    # Going straight through the city it is in one kelurahan after the other, without holes longer than a road.
    way = [Fix(n * 60 * S, -61_200_000 - 20_000 * n, 1_068_270_000) for n in range(60)]
    crossed = visits(way, jakarta)
    assert len(crossed) > 10
    covered = sum(visit.to_ms - visit.from_ms for visit in crossed)
    assert 0.97 < covered / way[-1].at_ms < 1.03
