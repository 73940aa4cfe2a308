"""What a bridge says about itself, and what another bridge's word means; pure.

Two bridges that write different stores would receipt the same rows twice into different histories, so only one may
live: the one that started later ends itself (exit 78), the other answers so that it is seen.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from wire.errors import PeerViolation


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeState:
    """Retained on the bridge's own topic, and its will with online false. `session`: Unix ms of its start."""

    online: bool
    session: int
    store_id: int

    def encode(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()


class Verdict(Enum):
    """What to do about a state that was seen."""

    NOTHING = "nothing"
    REPUBLISH = "republish"
    YIELD = "yield"


def parse_state(payload: bytes) -> BridgeState:
    """The state in a payload; raises PeerViolation."""
    try:
        said: Any = json.loads(payload)
        state = BridgeState(online=said["online"], session=said["session"], store_id=said["store_id"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PeerViolation("no bridge state") from error
    if not (isinstance(state.online, bool) and type(state.session) is int and type(state.store_id) is int):
        raise PeerViolation("bridge state of other types")
    return state


def judge(seen: BridgeState, *, mine: BridgeState, own_topic: bool, fresh: bool) -> Verdict:
    """What `seen` means to the bridge that says `mine`; `fresh`: said after this bridge spoke, not left from before.

    On one's own topic even a will is a sign of life when it is fresh: whoever came later under this name threw this
    bridge out, and was thrown out by its coming back.
    """
    if own_topic and seen == mine:
        return Verdict.NOTHING
    if fresh and (seen.online or own_topic) and seen.store_id != mine.store_id:
        return Verdict.YIELD if seen.session < mine.session else Verdict.REPUBLISH
    return Verdict.REPUBLISH if own_topic else Verdict.NOTHING
