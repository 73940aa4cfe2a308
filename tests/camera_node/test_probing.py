"""Classification, tries and passwords: pure."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.camera_node.probing import (
    Credentials,
    Failure,
    Reach,
    StreamFailed,
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


@settings(max_examples=40)
@given(user=st.text(min_size=1, max_size=20), password=st.text(max_size=20))
def test_credentials_survive_the_url_and_leave_it_again(user: str, password: str) -> None:
    url = "rtsp://192.0.2.7:8554/a/b?c=d"
    try:
        user.encode(), password.encode()
    except UnicodeEncodeError:
        return
    assert secret_free(with_credentials(url, Credentials(user, password))) == url
