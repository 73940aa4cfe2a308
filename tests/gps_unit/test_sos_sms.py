"""A call for help without a data link: by short message, when it is due, capped, and through a real bus."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from system_bus import GOOD, bus_with

from edge import modem
from edge.errors import ModemRefused, SmsUnsure
from edge.gps_unit.sos_sms import AGAIN_S, HOUR_S, RETRY_S, Fallback, SosSms
from running.turns import LoopStop, StopSwitch

AFTER_S = 60.0


def due_at(fallback: Fallback, held: Callable[[float], bool], until_s: float, *, call: str = "c1") -> list[float]:
    """The seconds at which a message goes; the modem takes each."""
    went = []
    for now_s in range(int(until_s)):
        if fallback.due(call, held=held(now_s), now_s=float(now_s)):
            fallback.tried(float(now_s))
            went.append(float(now_s))
    return went


def test_one_goes_when_nothing_was_delivered_for_so_long_and_then_ever_again() -> None:
    assert due_at(Fallback(AFTER_S, 20), lambda _now: True, 2000.0) == [AFTER_S + n * AGAIN_S for n in range(4)]


def test_a_call_that_was_delivered_once_needs_none_though_it_is_said_again_without_a_link() -> None:
    assert due_at(Fallback(AFTER_S, 20), lambda now_s: now_s != 59, 5000.0) == []
    assert due_at(Fallback(AFTER_S, 20), lambda now_s: now_s != 61, 5000.0) == [AFTER_S]


def test_an_hours_most_holds_over_calls_and_reboots() -> None:
    fallback = Fallback(AFTER_S, 2)
    assert due_at(fallback, lambda _now: True, HOUR_S) == [60.0, 660.0]
    again = Fallback(AFTER_S, 2, sent_s=fallback.recent(HOUR_S))
    assert not any(again.due("c2", held=True, now_s=now_s) for now_s in (HOUR_S - 80, HOUR_S - 10, HOUR_S + 59))
    assert again.due("c2", held=True, now_s=HOUR_S + 61), "the first is an hour ago"


def test_a_modem_that_is_not_there_is_asked_again_soon_and_costs_none_of_them() -> None:
    fallback = Fallback(AFTER_S, 1)
    assert fallback.due("c1", held=True, now_s=0.0) is False
    for at_s in (60.0, 60.0 + RETRY_S, 60.0 + 2 * RETRY_S):
        assert fallback.due("c1", held=True, now_s=at_s)
        fallback.refused(at_s)
    fallback.tried(200.0)
    assert not fallback.due("c1", held=True, now_s=3000.0)


def test_a_call_that_a_person_has_needs_none() -> None:
    fallback = Fallback(AFTER_S, 3)
    assert not fallback.due("c1", held=True, now_s=0.0)
    assert not fallback.due(None, held=True, now_s=61.0)
    assert not fallback.due("c2", held=True, now_s=62.0), "another call has its own time"


class Said:
    """What would be recorded, and kept."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, str]]] = []
        self.kept: list[float] = []

    def happened(self, name: str, **detail: str) -> None:
        self.events.append((name, detail))

    def keep(self, sent: list[float]) -> None:
        self.kept = sent


@pytest.mark.parametrize(
    ("there", "event", "counted"),
    [
        (GOOD, "sos_sms_sent", 1),
        ({**GOOD, "unsent": True}, "sos_sms_failed", 1),
        ({"no_modem": True}, "sos_sms_failed", 0),
    ],
)
def test_the_modem_sends_it_and_what_came_of_it_is_a_record(
    tmp_path: Path, there: dict[str, object], event: str, counted: int
) -> None:
    said, now_s, switch = Said(), [0.0], StopSwitch()
    with bus_with(there, tmp_path) as address:
        sms = SosSms(
            Fallback(10.0, 3), lambda text: modem.send_sms("+62811", text, address=address), said,
            text=lambda call: f"SOS amb-017, call {call}", now_s=lambda: now_s[0], keep=said.keep,
        )  # fmt: skip
        thread = threading.Thread(target=sms.run, args=(LoopStop(switch),))
        thread.start()
        try:
            sms.turn("c1", held=True)
            now_s[0] = 11.0
            deadline = time.monotonic() + 60.0
            while not said.events:
                assert time.monotonic() < deadline
                sms.turn("c1", held=True)
                time.sleep(0.05)
        finally:
            switch.set()
            thread.join()
            switch.close()
    ((name, detail),) = said.events
    assert (name, detail["call"]) == (event, "c1")
    assert len(said.kept) == counted
    sent = tmp_path / "sms"
    assert (sent.read_text() if sent.exists() else "") == (
        "+62811 SOS amb-017, call c1\n" if event == "sos_sms_sent" else ""
    )


def test_without_a_bus_it_never_left(tmp_path: Path) -> None:
    with pytest.raises(ModemRefused) as caught:
        modem.send_sms("+62811", "SOS", address=f"unix:path={tmp_path}/nobody")
    assert not isinstance(caught.value, SmsUnsure)
