"""Keeps a link to the broker: when to try, when to give one up, and what to say about it in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Final

from edge.backoff import HURRY_S, REFUSED_S, Backoff
from edge.clock import Clock
from edge.link import CONNECT_TIMEOUT_S, Ended, Link
from edge.own_link import OwnLink
from edge.sending import Limits
from edge.tls import DateRefused, Identity, date_refused, make_context, refusal
from wire import topics

log = logging.getLogger(__name__)

KEEPALIVE_S: Final = 196  # decision 12: presence within five minutes, below every carrier's NAT timeout we know of
SILENT_KEEPALIVES: Final = 1.5  # nothing at all came in for so long: the link is dead
WAY_OUT_LOOK_S: Final = 1.0  # between two looks whether our own link came back, while there is no connection
REFUSED_LONGEST_MS: Final = 600_000  # longer than the longest wait after a refusal: the clock has not just run on
OPENING_S: Final = 60.0  # a name lookup (30 s) and two timeouts of 10 s; a link that says nothing until then is over


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkOptions:
    """Where the broker is and what this unit may do."""

    unit: str
    host: str
    port: int = 8883
    firmware: str = ""
    keepalive_s: int = KEEPALIVE_S
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    fleet_units: int = 3_000
    limits: Limits = field(default_factory=Limits)


class LinkKeeper:
    """One link after the other; `link` is the one that counts, None between two. Used by the uplink thread only."""

    def __init__(
        self,
        options: UplinkOptions,
        identity: Identity,
        events: SimpleQueue[Any],
        *,
        clock: Clock,
        next_session: Callable[[], int],
        backoff: Backoff | None = None,
        own_link: OwnLink | None = None,
    ) -> None:
        self.link: Link | None = None
        self.connected = False
        self.session = 0
        self.connections = 0
        self.refusals = 0
        self.takeovers = 0
        self.overflowed = 0
        self._options = options
        self._identity = identity
        self._events = events
        self._clock = clock
        self._next_session = next_session
        self._backoff = backoff or Backoff(options.fleet_units)
        self._own_link = own_link or OwnLink()
        self._ended_bytes = (0, 0)
        self._opened_s = self._look_s = 0.0
        self._try_s = self._hurry_from_s = float("-inf")  # no alarm makes it try before the second
        self._unanswered = 0
        self._only_mqtt311 = self._at_once = False
        self._let_in_s: float | None = None
        self._out_since_s: float | None = None
        self._said = ""
        self._refused_at: tuple[int, int] | None = None  # the dates by which a certificate did not hold

    def hurry(self, on: bool) -> None:
        """An alarm waits: attempts follow each other within HURRY_S, REFUSED_S[0] where that is no use. Any thread."""
        self._backoff.hurry = on

    def bytes_so_far(self) -> tuple[int, int]:
        """(up, down) at IP level since the process began, of this link and those before; from any thread."""
        (up, down), link = self._ended_bytes, self.link
        info = None if link is None else link.tcp_info()
        return (up, down) if info is None else (up + info.up_bytes, down + info.down_bytes)

    def certificate_ends_utc_ms(self) -> int | None:
        """When the certificate ends by which the broker was let in."""
        return None if self.link is None else self.link.context.ends_utc_ms

    def due_s(self, now_s: float) -> float:
        """When `look_after` has something to do next."""
        if self.link is None:
            return min(self._try_s, now_s + WAY_OUT_LOOK_S)
        return self._look_s if self.connected else self._opened_s + OPENING_S

    def look_after(self, will: Callable[[int], bytes]) -> None:
        """Open a link when it is time, give up a dead one; `will(session)` is what the broker says when it dies."""
        now_s, link = self._clock.monotonic_s(), self.link
        if link is None:
            if self._backoff.hurry:  # a wait that was drawn before the alarm ends early
                self._try_s = min(self._try_s, max(now_s + HURRY_S, self._hurry_from_s))
            if self._own_link.came_back() or self._date_changed():
                self._try_s = min(self._try_s, now_s + self._backoff.link_came_back())
            if now_s >= self._try_s:
                self._open(now_s, will)
        elif not self.connected:
            if now_s - self._opened_s > OPENING_S:
                link.break_off("no answer")
        else:
            left_s = _patience_s(link)
            self._look_s = now_s + max(left_s, 0.0)
            if left_s <= 0:
                link.break_off("nothing came in")

    def let_in(self) -> None:
        """The broker answered: the session has begun."""
        now_s = self._clock.monotonic_s()
        self.connected, self._unanswered, self._look_s, self._let_in_s = True, 0, now_s, now_s
        self.connections += 1
        out_s = 0.0 if self._out_since_s is None else now_s - self._out_since_s
        log.info("connected to %s, session %d, after %.0f s", self._options.host, self.session, out_s)
        self._out_since_s, self._said = None, ""

    def worked(self) -> None:
        """A receipt came. If the broker's certificate could not be judged before, it is now: by a new connection."""
        self._backoff.worked()
        link = self.link
        if link is not None and not link.context.fully_checked and self._clock.known_utc_ms() is not None:
            self._at_once, self._opened_s = True, self._clock.monotonic_s()  # the goodbye has as long as a hello
            self.connected = False  # what is handed over after a goodbye is lost, and its number with it
            link.goodbye()

    def ended(self, ended: Ended) -> None:
        """The link is over: decide when the next one is tried."""
        self.link, self.connected = None, False
        ended.link.reap()
        self._count(ended.link)
        self._unanswered += ended.unanswered
        if self._let_in_s is not None:
            self._backoff.lasted(self._clock.monotonic_s() - self._let_in_s)
            self._let_in_s = None
        if self._at_once or (ended.version_unsupported and not self._only_mqtt311):
            self._only_mqtt311 = self._only_mqtt311 or ended.version_unsupported
            self._at_once = False
            self._try_s = self._clock.monotonic_s()
            return
        if ended.taken_over:
            self._lost_to_another(ended.reason)
            return
        refused = refusal(ended.error) or (ended.reason if ended.refused else None)
        if ended.link.context.judged_by_openssl and date_refused(ended.error) and not self._clock.os_clock_right():
            refused = None  # the OS clock has jumped while OpenSSL judged by it: the next judge is ours
        self._refused_at = self._clock.known_utc_ms() if isinstance(ended.error, DateRefused) else None
        self._failed(refused or str(ended.error or ended.reason), refused=refused is not None)

    def close(self, within_s: float) -> None:
        """End for good, with a goodbye when there is time."""
        if self.link is not None:
            self.link.close(within_s)
        self.connected = False

    def _date_changed(self) -> bool:
        """True once when a certificate was refused for its dates, and what we know of the date is now another one."""
        before, now = self._refused_at, self._clock.known_utc_ms()
        if before is None or now is None or (before[0] <= now[0] and now[1] <= before[1] + REFUSED_LONGEST_MS):
            return False
        self._refused_at = None
        return True

    def _open(self, now_s: float, will: Callable[[int], bytes]) -> None:
        options = self._options
        try:
            context = make_context(self._identity, self._clock)
        except OSError as error:  # our own files; they may come with the next enrolment
            self._failed(refusal(error) or str(error), refused=True)
            return
        self.session = self._next_session()
        payload = will(self.session)
        self.link = Link(
            self._events,
            client_id=options.unit,
            context=context,
            keepalive_s=options.keepalive_s,
            # A broker that knows only 3.1.1 may say so, or just hang up: then every second attempt is 3.1.1.
            mqtt5=not self._only_mqtt311 and self._unanswered % 2 == 0,
            connect_timeout_s=options.connect_timeout_s,
        )
        self._opened_s = now_s
        self.link.open(options.host, options.port, topics.birth(options.unit), payload)

    def _failed(self, reason: str, *, refused: bool) -> None:
        delay_s = self._backoff.after_refusal() if refused else self._backoff.after_loss()
        self.refusals += refused
        # Edges, not levels: the first failure of an outage, and a refusal when it is a new one.
        level = logging.WARNING if self._out_since_s is None else logging.DEBUG
        if refused and reason != self._said:
            level, self._said = logging.ERROR, reason
        self._wait(delay_s, REFUSED_S[0] if refused else 0.0)
        log.log(level, "no link to %s: %s; trying again in %.0f s", self._options.host, reason, delay_s)

    def _lost_to_another(self, reason: str) -> None:
        level = logging.DEBUG if self._backoff.takeovers else logging.ERROR
        delay_s = self._backoff.after_takeover()
        self.takeovers += 1
        self._wait(delay_s, min(delay_s, REFUSED_S[0]))
        log.log(level, "another box is named %s (%s); trying again in %.0f s", self._options.unit, reason, delay_s)

    def _wait(self, delay_s: float, hurried_s: float) -> None:
        """Until the next attempt, and at least so long when an alarm waits."""
        now_s = self._clock.monotonic_s()
        self._try_s, self._hurry_from_s = now_s + delay_s, now_s + hurried_s
        if self._out_since_s is None:
            self._out_since_s = now_s

    def _count(self, link: Link) -> None:
        self.overflowed += link.overflowed
        if (info := link.tcp_info()) is not None:
            up, down = self._ended_bytes
            self._ended_bytes = up + info.up_bytes, down + info.down_bytes


def _patience_s(link: Link) -> float:
    """How long nothing more may come in before the link counts as dead."""
    info = link.tcp_info()
    return SILENT_KEEPALIVES * link.keepalive_s - (0.0 if info is None else info.silent_s)
