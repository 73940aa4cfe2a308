"""Classification, tries and passwords: pure."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.camera_node.onvif import SHOWN
from edge.camera_node.probing import (
    TRIES_AN_HOUR,
    Credentials,
    Door,
    Failure,
    Reach,
    StreamFailed,
    Tries,
    below,
    changed_serial,
    explained,
    secret_free,
    slow,
    with_credentials,
)


@pytest.mark.parametrize(
    ("reach", "failure"),
    [
        (Reach(powered=False, carrier=False), Failure.POWER),
        (Reach(powered=True, carrier=False), Failure.LINK),
        (Reach(routed=False), Failure.LINK),
        (Reach(carrier=True, port_open=False, pinged=False), Failure.ADDRESS),
        (Reach(port_open=False, pinged=None), Failure.ADDRESS),
        (Reach(port_open=False, pinged=True), Failure.PORT),
        (Reach(port_open=False, port_refused=True), Failure.PORT),
        (Reach(port_open=True, pinged=None), None),
    ],
)
def test_the_lowest_failure_explains_the_others(reach: Reach, failure: Failure | None) -> None:
    found = below(reach)
    assert (found[0] if found else None) is failure


@pytest.mark.parametrize("failure", [Failure.AUTHENTICATION, Failure.PATH, Failure.CODEC])
def test_a_camera_that_answered_is_not_blamed_on_the_network(failure: Failure) -> None:
    seen = StreamFailed(failure, "as it said")
    assert explained(seen, Reach(port_open=False, pinged=False)) is seen


def test_a_silent_port_behind_a_dead_switch_is_the_switch() -> None:
    assert explained(StreamFailed(Failure.PORT, ""), Reach(carrier=False)).failure is Failure.LINK


@pytest.mark.parametrize(("seen", "expected", "is_slow"), [(4.9, 10.0, True), (5.0, 10.0, False), (None, 10.0, False)])
def test_slow_is_less_than_half(seen: float | None, expected: float, is_slow: bool) -> None:
    assert slow(seen, expected) is is_slow
    assert slow(seen, None) is False


def test_another_camera_behind_the_address_is_named() -> None:
    assert "B2" in changed_serial("A1", "B2")
    assert changed_serial("A1", "A1") == changed_serial(None, "B2") == changed_serial("A1", None) == ""


@given(st.lists(st.floats(0.0, 7200.0), max_size=200))
def test_a_refused_password_is_never_tried_more_often_than_allowed(pauses_s: list[float]) -> None:
    now_s = 0.0
    tried_s: list[float] = []
    tries = Tries(lambda: now_s)
    for pause_s in pauses_s:
        now_s += pause_s
        if tries.wait_s("key") == 0:
            tried_s.append(now_s)
            tries.refused()
    for start_s in tried_s:
        assert sum(start_s <= at_s < start_s + 3600.0 for at_s in tried_s) <= TRIES_AN_HOUR


@given(st.lists(st.tuples(st.floats(0.0, 3600.0), st.sampled_from(Door)), max_size=100), st.booleans())
def test_a_wrong_password_is_shown_less_often_than_makers_lock_an_account(
    logins: list[tuple[float, Door]], once_right: bool
) -> None:
    now_s, shown = 0.0, []
    tries = Tries(lambda: now_s)
    if once_right:  # and changed by somebody since
        for door in Door:
            tries.accepted(door)
    for pause_s, door in logins:
        now_s += pause_s
        if tries.claim("key", door):
            times = SHOWN if door is Door.ONVIF else 1
            shown += [now_s] * times
            tries.refused(door, shown=times)
    for start_s in shown:
        assert sum(start_s <= at_s < start_s + 1_800.0 for at_s in shown) < 5


def test_while_nobody_knows_a_password_it_is_tried_by_one_at_a_time() -> None:
    tries = Tries(lambda: 0.0)
    assert tries.claim("key") and not tries.claim("key", Door.ONVIF)
    tries.unheard()  # it was not reached: nobody knows yet
    assert not tries.let_in("key"), "no live view yet"
    assert tries.claim("key", Door.ONVIF)
    tries.accepted(Door.ONVIF)
    assert tries.claim("key") and tries.claim("key") and tries.claim("key", Door.ONVIF)


def test_a_stream_goes_on_though_onvif_has_another_account() -> None:
    now_s = 0.0
    tries = Tries(lambda: now_s)
    assert tries.claim("key")
    tries.accepted()
    assert tries.claim("key", Door.ONVIF)
    tries.refused(Door.ONVIF, shown=SHOWN)
    assert tries.let_in("key")
    assert tries.claim("key"), "the stream broke and is opened anew"
    tries.accepted()
    assert not tries.claim("key", Door.ONVIF), "that it may is nothing new to ONVIF"
    now_s = SHOWN * 3600.0 / TRIES_AN_HOUR
    assert tries.claim("key", Door.ONVIF)


def test_a_new_password_is_tried_at_once() -> None:
    tries = Tries(lambda: 0.0)
    assert tries.claim(None)
    tries.refused()
    assert tries.wait_s(None) > 0
    assert tries.wait_s(Credentials("viewer", "new")) == 0


@settings(max_examples=40)
@given(user=st.text(min_size=1, max_size=20), password=st.text(max_size=20))
def test_credentials_survive_the_url_and_leave_it_again(user: str, password: str) -> None:
    url = "rtsp://192.0.2.7:8554/a/b?c=d"
    try:
        user.encode(), password.encode()
    except UnicodeEncodeError:
        return
    assert secret_free(with_credentials(url, Credentials(user, password))) == url
