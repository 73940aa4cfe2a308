"""Assignments: the CSV, the lookup by the record's own UTC, what a change touches."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.assets import (
    COLUMNS,
    Assignment,
    Roster,
    as_csv,
    changed_windows,
    load_csv,
    parse_utc_ms,
    unassigned,
)
from settings.errors import ConfigError

HEADER = ",".join(COLUMNS)


def assignment(unit: str, asset: str, start: int, end: int | None = None) -> Assignment:
    return Assignment(unit=unit, asset=asset, agency="health", kind="ambulance", from_utc_ms=start, to_utc_ms=end)


def load(*lines: str) -> list[Assignment]:
    return load_csv(io.StringIO("\n".join(lines) + "\n"), "assets.csv")


def problems(*lines: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(*lines)
    return [str(problem) for problem in raised.value.problems]


def test_a_line_becomes_an_assignment_in_unix_ms() -> None:
    lines = [
        "ambulance-1,b-1234,health,ambulance,2026-11-23T12:00:00Z,2026-11-23T19:00:01+07:00",
        "",
        " pole-7 , cam-7 , roads , camera , 2026-01-01 , ",
    ]
    assert load(HEADER, *lines) == [
        assignment("ambulance-1", "b-1234", 1_795_435_200_000, 1_795_435_201_000),
        Assignment(
            unit="pole-7", asset="cam-7", agency="roads", kind="camera", from_utc_ms=1_767_225_600_000, to_utc_ms=None
        ),
    ]


def test_every_bad_line_is_named_at_once() -> None:
    found = problems(
        HEADER,
        "bridge-1,b-1,health,ambulance,2026-01-01,",
        "ambulance-1,B 1,unassigned,Ambulance!,yesterday,",
        "ambulance-2,b-2,health,ambulance,2026-01-02,2026-01-01",
        "ambulance-3,b-3,health",
        "ambulance-4,unassigned-ambulance-4,health,ambulance,2026-01-01,",
    )
    assert [problem.partition(" is ")[0] for problem in found] == [
        "line 2 unit",
        "line 3 asset",
        "line 3 agency",
        "line 3 kind",
        "line 3 from_utc",
        "line 4 to_utc",
        "line 5 columns",
        "line 6 asset",
    ]


@pytest.mark.parametrize("lines", [[""], ["unit,asset"], ["a,b,c,d,e,f"]])
def test_a_file_with_another_header_is_refused(lines: list[str]) -> None:
    assert len(problems(*lines)) == 1


def test_overlaps_are_named_with_both_lines_also_of_one_inside_another() -> None:
    found = problems(
        HEADER,
        "u-1,b-1,health,ambulance,2026-01-01,2026-12-01",
        "u-2,b-1,health,ambulance,2026-01-01,",
        "u-1,b-2,health,ambulance,2026-02-01,2026-03-01",
        "u-1,b-3,health,ambulance,2026-04-01,2026-12-01",
        "u-1,b-4,health,ambulance,2026-12-01,",
    )
    assert [(p.partition(" is ")[0], "line 2:" in p) for p in found] == [("line 4 unit", True), ("line 5 unit", True)]


@given(st.lists(st.integers(0, 253_402_300_799_999), min_size=1, max_size=6, unique=True))
def test_what_is_written_is_what_is_read(edges: list[int]) -> None:
    edges.sort()
    held = [assignment("u-1", f"b-{n}", *pair) for n, pair in enumerate(zip(edges, [*edges[1:], None], strict=True))]
    assert load_csv(io.StringIO(as_csv(held)), "x") == held


def test_the_end_of_an_assignment_is_no_longer_in_it() -> None:
    roster = Roster([assignment("u-1", "b-1", 100, 200), assignment("u-1", "b-2", 200, 300)])
    found = [roster.name_of("u-1", at).asset for at in (99, 100, 199, 200, 299, 300)]
    assert found == ["unassigned-u-1", "b-1", "b-1", "b-2", "b-2", "unassigned-u-1"]
    assert roster.name_of("u-1", None) == roster.name_of("u-9", 150)._replace(asset="unassigned-u-1")
    assert unassigned("u-1") == ("unassigned", "unassigned-u-1", None)


def test_held_at_tells_which_names_hold() -> None:
    roster = Roster([assignment("u-1", "b-1", 100, 200), assignment("u-2", "b-1", 150), assignment("u-3", "b-3", 300)])
    assert roster.held_at(250) == {("health", "b-1")}
    assert [roster.unit_held_at("u-1", at) for at in (150, 250)] == [True, False]


_EDGES = st.lists(st.integers(0, 30), min_size=0, max_size=6, unique=True)


def _roster(edges: list[int], assets: list[int]) -> Roster:
    edges = sorted(edges)
    pairs = zip(edges, [*edges[1:], None], strict=False)
    return Roster(
        assignment("u-1", f"b-{asset}", *pair) for asset, pair in zip(assets, pairs, strict=False) if asset < 3
    )


@given(_EDGES, _EDGES, st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), max_size=6))
def test_changed_windows_cover_exactly_the_instants_whose_name_differs(
    old_edges: list[int], new_edges: list[int], old_assets: list[int], new_assets: list[int]
) -> None:
    before, after = _roster(old_edges, old_assets), _roster(new_edges, new_assets)
    windows = changed_windows("u-1", before, after)
    for at in range(-2, 40):
        inside = any((w.from_utc_ms or 0) <= at and (w.to_utc_ms is None or at < w.to_utc_ms) for w in windows)
        assert inside == (before.name_of("u-1", at) != after.name_of("u-1", at))


def test_a_time_is_utc_unless_it_says_otherwise() -> None:
    assert parse_utc_ms("2026-11-23") == parse_utc_ms("2026-11-23T07:00:00+07:00") == 1_795_392_000_000
    with pytest.raises(ValueError):
        parse_utc_ms("noon")
