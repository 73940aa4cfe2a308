"""The picture is well formed whatever the series are, and a process looks the same in every panel."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from torture.plot import MOST_POINTS, TICKS, Line, Panel, nice_step, peaks, svg

SVG = "{http://www.w3.org/2000/svg}"
values = st.one_of(st.floats(0.0, 1e6), st.sampled_from([math.nan, math.inf]))
lives = st.lists(values, max_size=30).map(lambda found: [(5.0 * i, value) for i, value in enumerate(found)])
lines = st.builds(
    Line,
    of=st.sampled_from(["bridge", "box-1", "<&>"]),
    lives=st.lists(lives, max_size=3).map(tuple),
    kind=st.integers(0, 4),
)
panels = st.lists(
    st.builds(Panel, title=st.text('abc<&"'), unit=st.just("MB"), lines=st.lists(lines, max_size=4).map(tuple))
)


@given(panels=panels, bands=st.lists(st.tuples(st.floats(0, 100), st.floats(100, 200)), max_size=2))
def test_it_is_well_formed_and_every_place_in_it_is_a_number_inside(
    panels: list[Panel], bands: list[tuple[float, float]]
) -> None:
    root = ET.fromstring(svg("<soak> & co", panels, bands))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    places = [
        float(word)
        for line in root.iter(f"{SVG}polyline")
        for pair in line.attrib["points"].split()
        for word in pair.split(",")
    ]
    places += [
        float(node.attrib[key]) for node in root.iter() for key in ("x", "y", "width", "height") if key in node.attrib
    ]
    assert all(math.isfinite(place) and -1 <= place <= max(width, height) for place in places)
    assert len(root.findall(f"{SVG}g")) == len(panels)


def test_a_process_has_one_colour_and_each_kind_its_dashes() -> None:
    life = ((0.0, 1.0), (60.0, 2.0))
    first = Panel("memory", "MB", (Line("bridge", (life,)), Line("box-1", (life, life))))
    second = Panel("latency", "s", (Line("box-1", (life,)), Line("box-1", (life,), kind=1)), ("p50", "p99"))
    root = ET.fromstring(svg("soak", [first, second]))
    drawn = [[line.attrib for line in g.iter(f"{SVG}polyline")] for g in root.findall(f"{SVG}g")]
    bridge, box = drawn[0][0]["stroke"], drawn[0][1]["stroke"]
    assert bridge != box and {line["stroke"] for line in drawn[0][1:] + drawn[1]} == {box}
    assert ["stroke-dasharray" in line for line in drawn[1]] == [False, True]
    words = {text.text for text in root.iter(f"{SVG}text")}
    assert {"memory, MB", "latency, s (p50 solid, p99 dashed)", "time, s", "bridge", "box-1"} <= words


def test_it_follows_the_readers_page() -> None:
    assert "prefers-color-scheme: dark" in svg("soak", [])


@given(span=st.floats(1e-6, 1e9))
def test_ticks_are_round_and_few(span: float) -> None:
    step = nice_step(span)
    assert 1 <= span / step <= TICKS * 1.01
    assert f"{step:e}"[0] in "125"


@given(found=st.lists(values, max_size=3000))
def test_a_long_line_keeps_its_peaks(found: list[float]) -> None:
    life = [(float(i), value) for i, value in enumerate(found)]
    kept = peaks(life)
    finite = [value for value in found if math.isfinite(value)]
    assert len(kept) <= MOST_POINTS
    assert max((value for _, value in kept), default=None) == max(finite, default=None)
