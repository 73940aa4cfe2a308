"""Every topic is built and parsed in one place, and a name can not reach out of its level."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import topics

names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,30}", fullmatch=True)
units = names.filter(lambda name: not name.startswith(("bridge", "city")))
BUILDERS = {
    "up": topics.up,
    "bulk": topics.bulk,
    "birth": topics.birth,
    "down/receipt": topics.receipt,
    "down/desired": topics.desired,
    "down/command": topics.command,
}


@given(units, st.sampled_from(topics.UNIT_LEAVES))
def test_a_units_topic_comes_back(unit: str, leaf: str) -> None:
    assert topics.parse_unit_topic(BUILDERS[leaf](unit)) == (unit, leaf)


@given(names, names | units.map(lambda unit: f"unassigned-{unit}"), st.sampled_from(topics.CITY_LEAVES))
def test_a_clean_topic_comes_back(agency: str, asset: str, leaf: str) -> None:
    assert topics.parse_city_topic(topics.city(agency, asset, leaf)) == (agency, asset, leaf)


def test_the_topics_are_those_of_the_contract() -> None:
    assert topics.up("amb-7") == "pantau/v1/amb-7/up"
    assert topics.receipt("amb-7") == "pantau/v1/amb-7/down/receipt"
    assert topics.bridge_state("bridge-1") == "pantau/v1/bridge/bridge-1/state"
    assert topics.city("damkar", "engine-3", "track") == "city/v1/damkar/engine-3/track"


@given(st.text(max_size=40) | st.from_regex(r"pantau/v1/[a-z+#/-]*/up", fullmatch=True))
def test_any_other_topic_is_nobodys(topic: str) -> None:
    parsed = topics.parse_unit_topic(topic)
    assert parsed is None or BUILDERS[parsed[1]](parsed[0]) == topic


@pytest.mark.parametrize(
    "name", ["", "-a", "A", "a_b", "a/b", "a+", "#", "é", "a" * 32, "bridge", "bridge-1", "city-dinas", "a\n"]
)
def test_what_is_no_units_name_builds_no_topic(name: str) -> None:
    assert not topics.valid_unit(name)
    with pytest.raises(ValueError, match="unit"):
        topics.up(name)


def test_an_asset_may_be_called_what_a_unit_may_not() -> None:
    assert topics.valid_name("city-bus-12")
    assert topics.valid_name("unassigned-" + "a" * 31)
    assert not topics.valid_name("unassigned-bridge")
    with pytest.raises(ValueError, match="topic"):
        topics.city("a/b", "c", "state")
