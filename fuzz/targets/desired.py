"""Desired configuration of any content is counted by a box that knows none yet, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from broker.downlink import Downlink
from fuzz.box import StillClock
from fuzz.box_uplink import UNIT, Asked, uplink
from fuzz.forms import json_changed
from fuzz.scratch import scratch
from wire import topics

MAX_BYTES = 2048
form = json_changed


def hold(data: bytes) -> None:
    """The document on its topic."""
    asked = Asked()
    unit = uplink(StillClock(), asked)
    unit._heard(topics.desired(UNIT), data)
    assert asked == Asked()
    assert list(unit.take_commands()) == []
    assert unit.account().rejected == {}
    assert list(unit.take_desired()) == ([data] if data else [])


def seeds() -> Mapping[str, bytes]:
    """A document as the bridge publishes it, and the empty one that ends it."""
    with Downlink(scratch("desired") / "downlink.db") as downlink:
        return {"version-1": downlink.desire(UNIT, {"report": {"interval_s": 5}}).encode(), "ended": b""}
