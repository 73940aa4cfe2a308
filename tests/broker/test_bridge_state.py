"""Of two bridges with different stores exactly one yields, and a bridge keeps its own topic true."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.bridge_state import BridgeState, Verdict, judge, parse_state
from wire.errors import PeerViolation

NUMBERS = st.integers(0, 2**48)
STATES = st.builds(BridgeState, online=st.booleans(), session=NUMBERS, store_id=NUMBERS)


@given(STATES)
def test_what_is_said_is_understood(state: BridgeState) -> None:
    assert parse_state(state.encode()) == state


@given(st.binary(max_size=100) | st.sampled_from([b"{}", b"null", b"[1]", b'{"online":1,"session":1,"store_id":1}']))
def test_anything_else_is_refused(payload: bytes) -> None:
    with pytest.raises(PeerViolation):
        parse_state(payload)


@given(NUMBERS, NUMBERS)
def test_of_two_live_bridges_with_different_stores_the_later_yields(first: int, second: int) -> None:
    one = BridgeState(online=True, session=first, store_id=1)
    other = BridgeState(online=True, session=second, store_id=2)
    for own_topic in (False, True):
        verdicts = [
            judge(other, mine=one, own_topic=own_topic, fresh=True),
            judge(one, mine=other, own_topic=own_topic, fresh=True),
        ]
        assert verdicts.count(Verdict.YIELD) == (first != second)
        assert verdicts.count(Verdict.REPUBLISH) == 2 - (first != second)


def test_bridges_of_one_store_do_not_drive_each_other_away() -> None:
    mine = BridgeState(online=True, session=9, store_id=1)
    for session, online, own, fresh in product((1, 20), (True, False), (True, False), (True, False)):
        seen = BridgeState(online=online, session=session, store_id=1)
        assert judge(seen, mine=mine, own_topic=own, fresh=fresh) is not Verdict.YIELD


def test_anything_else_on_its_own_topic_is_overruled_and_its_own_echo_is_not() -> None:
    mine = BridgeState(online=True, session=9, store_id=1)
    late_will = BridgeState(online=False, session=8, store_id=1)
    assert judge(mine, mine=mine, own_topic=True, fresh=True) is Verdict.NOTHING
    assert judge(late_will, mine=mine, own_topic=True, fresh=True) is Verdict.REPUBLISH


def test_what_was_left_from_before_drives_nobody_away() -> None:
    mine = BridgeState(online=True, session=9, store_id=1)
    left = BridgeState(online=True, session=8, store_id=2)
    assert judge(left, mine=mine, own_topic=True, fresh=False) is Verdict.REPUBLISH
    assert judge(left, mine=mine, own_topic=False, fresh=False) is Verdict.NOTHING
    gone = BridgeState(online=False, session=8, store_id=2)
    assert judge(gone, mine=mine, own_topic=False, fresh=True) is Verdict.NOTHING
