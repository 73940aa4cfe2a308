"""A topic is one of ours with names as they may be, or none; what is taken apart is built again the same."""

from __future__ import annotations

from collections.abc import Mapping

from wire import topics

MAX_BYTES = 128
_OF_UNIT = {
    "up": topics.up, "bulk": topics.bulk, "birth": topics.birth, "down/receipt": topics.receipt,
    "down/desired": topics.desired, "down/command": topics.command,
}  # fmt: skip


def hold(data: bytes) -> None:
    """The topic's letters as the broker passes them on."""
    topic = data.decode("utf-8", "replace")
    if (of_unit := topics.parse_unit_topic(topic)) is not None:
        unit, leaf = of_unit
        assert topics.valid_unit(unit)
        assert _OF_UNIT[leaf](unit) == topic
        assert not unit.startswith(("bridge", "city"))
    if (of_city := topics.parse_city_topic(topic)) is not None:
        assert topics.city(*of_city) == topic
        assert not {"+", "#", "/"} & set("".join(of_city[:2]))
    assert of_unit is None or of_city is None


def seeds() -> Mapping[str, bytes]:
    """One of each."""
    ours = {leaf.replace("/", "-"): build("amb-017").encode() for leaf, build in _OF_UNIT.items()}
    return {
        **ours,
        "bridge": topics.bridge_state("bridge-1").encode(),
        "city": topics.city("health", "unassigned-amb-1", "track").encode(),
        "reserved": b"pantau/v1/bridge-1/up",
    }
