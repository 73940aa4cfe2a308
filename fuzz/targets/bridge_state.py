"""What a bridge says of itself is a state or refused, by another bridge; a box takes it for a hint or counts it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from broker.bridge_state import BridgeState, Verdict, judge, parse_state
from fuzz.box import StillClock
from fuzz.box_uplink import Asked, uplink
from fuzz.forms import json_changed
from wire import topics
from wire.errors import PeerViolation

MAX_BYTES = 1024
form = json_changed
MINE = BridgeState(online=True, session=1_795_000_000_000, store_id=9)
TOPIC = topics.bridge_state("bridge-1")


def hold(data: bytes) -> None:
    """By a bridge, then by a box."""
    _by_a_bridge(data)
    asked, unit = Asked(), uplink(StillClock(), Asked())
    unit._heard(TOPIC, data)
    online = unit._sending._bridges.get(TOPIC)
    assert (online is None) == bool(unit.account().rejected)
    assert asked == Asked()


def _by_a_bridge(data: bytes) -> None:
    try:
        seen = parse_state(data)
    except PeerViolation:
        return
    assert parse_state(seen.encode()) == seen
    for own_topic, fresh in product((False, True), repeat=2):
        verdict = judge(seen, mine=MINE, own_topic=own_topic, fresh=fresh)
        assert (verdict is Verdict.YIELD) <= (fresh and seen.store_id != MINE.store_id)


def seeds() -> Mapping[str, bytes]:
    """Alive, gone, another store, none."""
    other = BridgeState(online=True, session=1, store_id=8)
    gone = BridgeState(online=False, session=MINE.session, store_id=9)
    return {"mine": MINE.encode(), "other": other.encode(), "gone": gone.encode(), "ended": b"", "list": b"[true]"}
