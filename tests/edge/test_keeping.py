"""When a box tries its link again, by a clock of the test's own; the link is a stand-in that is told how it ends."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

from edge import keeping
from edge.backoff import HURRY_S, REFUSED_S, SETTLED_S, TAKEN_OVER_LONGEST_S, Backoff
from edge.clock import Clock
from edge.keeping import LinkKeeper, UplinkOptions
from edge.link import Ended
from edge.own_link import OwnLink
from edge.tls import Identity

NOT_AUTHORISED = 0x87
TAKEN_OVER = 0x8E
CONNECTED_AFTER_S = 1.0


class StandIn:
    """A link that does nothing by itself."""

    keepalive_s = 196.0
    overflowed = 0

    def __init__(self, *_: Any, context: Any, **__: Any) -> None:
        self.context = context

    def open(self, *_: Any) -> None:
        pass

    def reap(self) -> None:
        pass

    def tcp_info(self) -> None:
        return None


class Kept:
    """A keeper whose clock a test moves; draws are the longest of their range."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        nowhere = Path("nowhere")
        self.keeper = LinkKeeper(
            UplinkOptions(unit="ambulance-1", host="broker"),
            Identity(ca_path=nowhere, certificate_path=nowhere, key_path=nowhere),
            SimpleQueue(),
            clock=Clock(monotonic_s=lambda: self.now_s, ntp_synchronised=lambda: False),
            next_session=itertools.count(1).__next__,
            backoff=Backoff(3_000, uniform=lambda _low, high: high),
            own_link=OwnLink(lambda: True),
        )

    def opened_after(self) -> float:
        """Seconds until the next link is opened, as the uplink's loop finds it."""
        start_s = self.now_s
        while True:
            self.keeper.look_after(lambda _session: b"")
            if self.keeper.link is not None:
                return self.now_s - start_s
            self.now_s = max(self.keeper.due_s(self.now_s), self.now_s + 0.01)

    def end(self, *, session_s: float | None = None, **how: Any) -> None:
        """The open link ends like that, after a session of so many seconds in which a receipt came."""
        self.now_s += CONNECTED_AFTER_S
        if session_s is not None:
            self.keeper.let_in()
            self.keeper.worked()
            self.now_s += session_s
        assert self.keeper.link is not None
        self.keeper.ended(Ended(self.keeper.link, **how))


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    context = SimpleNamespace(judged_by_openssl=False, fully_checked=True, ends_utc_ms=None)
    monkeypatch.setattr(keeping, "Link", StandIn)
    monkeypatch.setattr(keeping, "make_context", lambda *_: context)
    made = Kept()
    made.opened_after()
    return made


def test_a_call_for_help_hurries_after_a_loss_and_not_below_a_minute_after_a_refusal(kept: Kept) -> None:
    kept.keeper.hurry(True)
    for _ in range(3):
        kept.end(code=NOT_AUTHORISED, reason="Not authorized")
        assert REFUSED_S[0] <= kept.opened_after() <= REFUSED_S[0] + 1.0
    kept.end(reason="connection lost")
    assert kept.opened_after() <= HURRY_S


def test_a_call_that_comes_while_a_refusal_is_waited_for_shortens_the_wait_to_a_minute(kept: Kept) -> None:
    kept.end(code=NOT_AUTHORISED, reason="Not authorized")
    kept.now_s += 30.0
    kept.keeper.hurry(True)
    assert kept.opened_after() == pytest.approx(REFUSED_S[0] - 30.0, abs=1.0)


def taken_over(kept: Kept, *, session_s: float = 10.0) -> float:
    """Another box takes the session; the seconds until this one tries again."""
    kept.end(session_s=session_s, code=TAKEN_OVER, reason="Session taken over")
    return kept.opened_after()


def test_each_takeover_by_another_box_of_the_name_is_waited_for_longer_and_said_once(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    waits_s = [taken_over(kept) for _ in range(12)]
    grown_s = [5, 7.5, 11, 17, 25, 38, 57, 85, 128, 192, 288, 300]
    assert waits_s == pytest.approx(grown_s, abs=1.1), "receipts came in each session"
    assert kept.keeper.takeovers == 12 and kept.keeper.refusals == 0
    (error,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "another box is named ambulance-1" in error.getMessage()


def test_a_session_that_lasted_ends_the_fight_and_a_loss_does_not(kept: Kept) -> None:
    for _ in range(12):
        taken_over(kept)
    kept.end(session_s=10.0, reason="connection lost")
    kept.opened_after()
    assert taken_over(kept) >= TAKEN_OVER_LONGEST_S - 1.0
    assert taken_over(kept, session_s=SETTLED_S) <= 5.0 + 1.0


def test_a_call_for_help_waits_a_minute_at_most_after_a_takeover(kept: Kept) -> None:
    kept.keeper.hurry(True)
    waits_s = [taken_over(kept) for _ in range(9)]
    assert waits_s == pytest.approx([5, 7.5, 11, 17, 25, 38, 57, 60, 60], abs=1.1)
