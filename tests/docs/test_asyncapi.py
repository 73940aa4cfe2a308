"""docs/asyncapi.yaml names every topic that exists, and nothing that does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from broker.bridge_state import parse_state
from broker.outlet import CURSOR_TOPIC
from broker.presence import parse_birth
from wire import topics

DOCS = Path(__file__).resolve().parents[2] / "docs"
DOCUMENT: dict[str, Any] = yaml.safe_load((DOCS / "asyncapi.yaml").read_text("utf-8"))


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    if isinstance(node, list):
        for value in node:
            yield from references(value)


def test_its_addresses_are_the_topics_of_the_code() -> None:
    units = {
        build("unit").replace("unit", "{unit}")
        for build in (topics.up, topics.bulk, topics.birth, topics.receipt, topics.desired, topics.command)
    }
    clean = {topics.city("a", "b", leaf).replace("/a/b/", "/{agency}/{asset}/") for leaf in topics.CITY_LEAVES}
    more = {
        topics.area_notice("a", "b").replace("/a/areas/b/", "/{agency}/areas/{area}/"),
        topics.ask("a", "nearest").replace("/a/", "/{consumer}/"),
        topics.answer("a", "nearest").replace("/a/", "/{consumer}/"),
    }
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert addresses == units | clean | {CURSOR_TOPIC, topics.bridge_state("{bridge}")} | more


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        if reference.startswith("#/"):
            node: Any = DOCUMENT
            for key in reference[2:].split("/"):
                node = node[key]
        else:
            assert json.loads((DOCS / reference).read_text())["type"] == "object"


def test_every_channel_is_used_and_carries_its_message() -> None:
    used = {operation["channel"]["$ref"].rpartition("/")[2] for operation in DOCUMENT["operations"].values()}
    assert used == set(DOCUMENT["channels"])


def test_births_and_bridge_states_are_as_it_says() -> None:
    messages = DOCUMENT["components"]["messages"]
    birth = {"online": True, "session": 3, "outbox_id": 7, "firmware": "0.1.0"}
    assert set(birth) == set(messages["birth"]["payload"]["properties"])
    assert parse_birth(json.dumps(birth).encode()).online
    state = {"online": True, "session": 3, "store_id": 9}
    assert set(state) == set(messages["bridgeState"]["payload"]["properties"])
    assert parse_state(json.dumps(state).encode()).online
