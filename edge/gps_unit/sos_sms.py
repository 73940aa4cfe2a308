"""A call for help that gets no receipt goes out as a short message, too: to whoever has no data link it may still work.

When one is due is decided on the main thread and pure (`Fallback`); a thread of its own asks the modem, which may take
half a minute (`SosSms.run`). Nothing of it ends a call: only a person does (sos.py).
"""

import logging
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple, Protocol, TypeVar

from edge.errors import ModemRefused, SmsUnsure
from edge.service import Stop

log = logging.getLogger(__name__)

AGAIN_S: Final = 600.0  # one may be lost, and nobody may have looked
RETRY_S: Final = 60.0  # the modem was not even asked: it is not there, or its manager is not
HOUR_S: Final = 3600.0
TURN_S: Final = 0.5

T = TypeVar("T")


class Fallback:
    """When a message is due. Seconds are of any clock that goes on over a reboot, or the hour begins anew with it."""

    def __init__(self, after_s: float, most_an_hour: int, sent_s: Sequence[float] = ()) -> None:
        self._after_s = after_s
        self._most_an_hour = most_an_hour
        self._sent_s = list(sent_s)
        self._call: str | None = None
        self._delivered = False
        self._next_s = 0.0

    def due(self, call: str | None, *, held: bool, now_s: float) -> bool:
        """Whether to send now. `call` is the one that goes on, `held`: its last saying has no receipt yet.

        A call that was delivered once is at the centre, and needs no message however often it is said again.
        """
        if call != self._call:
            self._call, self._delivered, self._next_s = call, False, now_s + self._after_s
        self._delivered = self._delivered or not held
        if call is None or self._delivered or now_s < self._next_s or len(self.recent(now_s)) >= self._most_an_hour:
            return False
        self._next_s = now_s + AGAIN_S
        return True

    def tried(self, now_s: float) -> None:
        """The modem was asked to send one: it counts, whatever came of it."""
        self._sent_s.append(now_s)

    def refused(self, now_s: float) -> None:
        """It could not even be asked: again soon, and nothing counts."""
        self._next_s = now_s + RETRY_S

    def recent(self, now_s: float) -> list[float]:
        """Those of the last hour, to be kept over a reboot."""
        self._sent_s = [at_s for at_s in self._sent_s if 0.0 <= now_s - at_s < HOUR_S]
        return list(self._sent_s)


class Sent(NamedTuple):
    """What came of one: of which call, and why it failed; `asked`: the modem was told to send it."""

    call: str
    why: str | None
    asked: bool


class Recording(Protocol):
    """What is asked of the recorder."""

    def happened(self, name: str, **detail: str) -> None: ...


class SosSms:
    """`turn` at every turn of the main loop, `run` is the thread. `send(text)` is edge/modem.py's."""

    def __init__(
        self,
        fallback: Fallback,
        send: Callable[[str], None],
        recorder: Recording,
        *,
        text: Callable[[str], str],
        now_s: Callable[[], float],
        keep: Callable[[list[float]], None],
    ) -> None:
        """`text`: of a message about that call; `keep`: when the last ones went, over a reboot."""
        self._fallback = fallback
        self._send = send
        self._recorder = recorder
        self._text = text
        self._now_s = now_s
        self._keep = keep
        self._wanted: SimpleQueue[tuple[str, str]] = SimpleQueue()
        self._told: SimpleQueue[Sent] = SimpleQueue()

    def turn(self, call: str | None, *, held: bool) -> None:
        """Record what came of the last one, and order one when it is due."""
        now_s = self._now_s()
        while (sent := _next(self._told)) is not None:
            self._record(sent, now_s)
        if self._fallback.due(call, held=held, now_s=now_s) and call is not None:
            self._wanted.put((call, self._text(call)))

    def _record(self, sent: Sent, now_s: float) -> None:
        if sent.asked:
            self._fallback.tried(now_s)
            self._keep(self._fallback.recent(now_s))
        else:
            self._fallback.refused(now_s)
        if sent.why is None:
            self._recorder.happened("sos_sms_sent", call=sent.call)
        else:
            self._recorder.happened("sos_sms_failed", call=sent.call, reason=sent.why)

    def run(self, stop: Stop) -> None:
        """Until `stop` is set."""
        while not stop.wait(TURN_S):
            if (wanted := _next(self._wanted)) is not None:
                self._told.put(self._sent(*wanted))

    def _sent(self, call: str, text: str) -> Sent:
        try:
            self._send(text)
        except ModemRefused as error:
            log.warning("call %s by SMS: %s", call, error)
            return Sent(call, str(error), isinstance(error, SmsUnsure))
        log.warning("call %s went out by SMS", call)
        return Sent(call, None, True)


def _next(queue: "SimpleQueue[T]") -> "T | None":
    try:
        return queue.get_nowait()
    except Empty:
        return None
