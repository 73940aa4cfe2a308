"""The uplink thread: keeps a link to the broker, sends what `sending` decides, hands receipts to the outbox.

It never writes to the outbox: what receipts change is queued there. Commands are carried out by the main thread, which
takes them with `take_commands`.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from edge.backlog import Shelf
from edge.backoff import Backoff
from edge.clock import Clock
from edge.errors import OutboxCorrupt, OutboxFull
from edge.link import CONNECT_TIMEOUT_S, Connected, Ended, Heard, Link, Written
from edge.own_link import OwnLink
from edge.packing import NO_STAMPS, Stamps
from edge.sending import Limits, Outgoing, Sending
from edge.tcp_info import TcpInfo
from edge.tls import Identity, make_context, refusal
from wire import topics
from wire.errors import PeerViolation
from wire.ranges import Ranges
from wire.receipt import decode_receipt

log = logging.getLogger(__name__)

KEEPALIVE_S: Final = 75  # above the 60 s for which live receipts are gathered, below most carriers' NAT timeouts
SILENT_KEEPALIVES: Final = 1.5  # nothing at all came in for so long: the link is dead
TURN_S: Final = 1.0  # how often the loop turns when nothing happens
OPENING_S: Final = 60.0  # a name lookup (30 s) and two timeouts of 10 s; a link that says nothing until then is over
CLOSE_WITHIN_S: Final = 3.0  # of the 5 s a stop may take
EVENTS_A_TURN: Final = 100
COMMANDS_WAITING: Final = 100  # the centre sends each again every 30 s


class Stop(Protocol):
    """What the loop asks at every turn (edge/service.py)."""

    def is_set(self) -> bool: ...
    def wait(self, timeout_s: float) -> bool: ...


class ClosingShelf(Shelf, Protocol):
    """An outbox reader that opens its file at the first call, in the thread that calls."""

    def close(self) -> None: ...


class ReceiptedOutbox(Protocol):
    """What this thread asks of the outbox's writing side; each only queues, so it is safe from any thread."""

    def receipted(self, ids: Ranges) -> None: ...
    def refuse(self, ids: Ranges) -> None: ...
    def open_new_outbox(self) -> None: ...


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


@dataclass(frozen=True, slots=True)
class Account:
    """What the uplink has done since the process began, for the health record."""

    connections: int
    up_bytes: int
    down_bytes: int
    rejected: Counter[str]


class Uplink:
    """One unit's uplink; `run` is the thread, `wake`, `take_commands` and `account` are for the main thread."""

    def __init__(
        self,
        options: UplinkOptions,
        identity: Identity,
        *,
        clock: Clock,
        outbox: ReceiptedOutbox,
        open_shelf: Callable[[], ClosingShelf],
        next_session: Callable[[], int],
        backoff: Backoff | None = None,
        own_link: OwnLink | None = None,
    ) -> None:
        self._options = options
        self._identity = identity
        self._clock = clock
        self._outbox = outbox
        self._next_session = next_session
        self._backoff = backoff or Backoff(options.fleet_units)
        self._own_link = own_link or OwnLink()
        self._events: SimpleQueue[Connected | Ended | Heard | Written | None] = SimpleQueue()
        self._commands: SimpleQueue[bytes] = SimpleQueue()
        self._woken = self._unreadable = False
        self._rejected: Counter[str] = Counter()
        self._shelf = open_shelf()
        self._sending = Sending(self._shelf, options.limits)
        self._link: Link | None = None
        self._connected = False
        self._session = 0
        self._connections = 0
        self._ended_bytes = (0, 0)
        self._opened_s = self._try_s = self._came_in_s = 0.0
        self._received_bytes = 0
        self._handed: Outgoing | None = None
        self._bulk_before: TcpInfo | None = None
        self._bulk_bytes = 0
        self._unstamped_above = 0
        self._unanswered = 0
        self._only_mqtt311 = False
        self._at_once = False
        self._out_since_s: float | None = None
        self._said = ""

    # ------------------------------------------------------------------ for the main thread

    def wake(self) -> None:
        """A row was appended, or the stop was set."""
        if not self._woken:  # one is enough, however many rows come before this thread turns
            self._woken = True
            self._events.put(None)

    def take_commands(self) -> Iterator[bytes]:
        """Commands as they came down; the main loop asks at each turn (edge/commands.py carries them out)."""
        while True:
            try:
                yield self._commands.get_nowait()
            except Empty:
                return

    def account(self) -> Account:
        """Counters since the process began."""
        up, down = self._ended_bytes
        link = self._link
        info = None if link is None else link.tcp_info()
        # Copies first: the other thread may count a new reason at any moment.
        rejected = Counter(self._rejected)
        rejected.update(dict(self._sending.rejected))
        if info is not None:
            up, down = up + info.up_bytes, down + info.down_bytes
        return Account(self._connections, up, down, rejected)

    @property
    def online(self) -> bool:
        """Did a receipt come in this session: the whole path works."""
        return self._connected and self._sending.heard_receipt

    # ------------------------------------------------------------------ the thread

    def run(self, stop: Stop) -> None:
        """Until `stop` is set; a broker that is down, sick or gone never ends it."""
        try:
            while not stop.is_set():
                self._turn(stop)
        finally:
            self._leave()
            self._shelf.close()

    def _turn(self, stop: Stop) -> None:
        try:
            self._take_events()
            self._look_after_link()
            self._send()
        except (OutboxFull, OutboxCorrupt) as error:
            # The writer knows and mends it. What was half done here is done again in a new session.
            log.log(logging.DEBUG if self._unreadable else logging.WARNING, "outbox can not be read: %s", error)
            self._unreadable = True
            if self._link is not None:
                self._link.break_off("outbox can not be read")
            stop.wait(TURN_S)
        else:
            self._unreadable = False

    def _take_events(self) -> None:
        try:
            self._happened(self._events.get(timeout=self._pause_s()))
            for _ in range(EVENTS_A_TURN):
                self._happened(self._events.get_nowait())
        except Empty:
            return

    def _pause_s(self) -> float:
        now_s = self._clock.monotonic_s()
        if self._link is None:
            wanted_s = self._try_s - now_s
        elif self._connected and self._link.free:
            wanted_s = self._sending.due_s(now_s) - now_s
        else:
            wanted_s = TURN_S
        return min(max(wanted_s, 0.0), TURN_S)

    def _happened(self, event: Connected | Ended | Heard | Written | None) -> None:
        if event is None:
            self._woken = False
            self._sending.appended()
            if not self._clock.sane:
                self._unstamped_above = self._shelf.newest_id()
        elif event.link is not self._link:
            return  # of a link that was given up
        elif isinstance(event, Heard):
            self._heard(event.topic, event.payload)
        elif isinstance(event, Connected):
            self._on_connected(event.link)
        elif isinstance(event, Ended):
            self._on_ended(event)

    # ------------------------------------------------------------------ the link

    def _look_after_link(self) -> None:
        now_s, link = self._clock.monotonic_s(), self._link
        if link is None:
            if self._own_link.came_back():
                self._try_s = min(self._try_s, now_s + self._backoff.link_came_back())
            if now_s >= self._try_s:
                self._open()
        elif not self._connected:
            if now_s - self._opened_s > OPENING_S:
                link.break_off("no answer")
        else:
            info = link.tcp_info()
            if info is not None and info.received_bytes != self._received_bytes:
                self._received_bytes, self._came_in_s = info.received_bytes, now_s
            if now_s - self._came_in_s > SILENT_KEEPALIVES * link.keepalive_s:
                link.break_off("nothing came in")

    def _open(self) -> None:
        options = self._options
        try:
            context = make_context(self._identity, self._clock)
        except OSError as error:
            self._failed(refusal(error) or str(error), refused=True)
            return
        self._session = self._next_session()
        will = self._birth(online=False)
        self._link = Link(
            self._events,
            client_id=options.unit,
            context=context,
            keepalive_s=options.keepalive_s,
            # A broker that knows only 3.1.1 may say so, or just hang up: then every second attempt is 3.1.1.
            mqtt5=not self._only_mqtt311 and self._unanswered % 2 == 0,
            connect_timeout_s=options.connect_timeout_s,
        )
        self._opened_s = self._clock.monotonic_s()
        self._link.open(options.host, options.port, topics.birth(options.unit), will)

    def _on_connected(self, link: Link) -> None:
        unit, now_s = self._options.unit, self._clock.monotonic_s()
        self._connected, self._unanswered = True, 0
        self._connections += 1
        self._received_bytes, self._came_in_s, self._bulk_before = 0, now_s, None
        link.subscribe(topics.receipt(unit), topics.desired(unit), topics.command(unit), topics.bridge_state("+"))
        link.publish(topics.birth(unit), self._birth(online=True), retain=True)
        self._sending.connected(now_s)
        out_s = 0.0 if self._out_since_s is None else now_s - self._out_since_s
        log.info("connected to %s, session %d, after %.0f s", self._options.host, self._session, out_s)
        self._out_since_s, self._said = None, ""

    def _on_ended(self, ended: Ended) -> None:
        link, self._link = ended.link, None
        if not link.free and self._handed is not None:
            self._sending.unsent(self._handed)
        link.reap()
        self._count(link)
        self._connected = False
        self._sending.disconnected()
        self._unanswered += ended.unanswered
        if self._at_once or (ended.version_unsupported and not self._only_mqtt311):
            self._only_mqtt311 = self._only_mqtt311 or ended.version_unsupported
            self._at_once = False
            self._try_s = self._clock.monotonic_s()
            return
        refused = refusal(ended.error) or (ended.reason if ended.refused else None)
        self._failed(refused or str(ended.error or ended.reason), refused=refused is not None)

    def _failed(self, reason: str, *, refused: bool) -> None:
        now_s = self._clock.monotonic_s()
        delay_s = self._backoff.after_refusal() if refused else self._backoff.after_loss()
        self._try_s = now_s + delay_s
        if refused:
            self._rejected["link_refused"] += 1
        first = self._out_since_s is None
        if first:
            self._out_since_s = now_s
        # Edges, not levels: the first failure of an outage, and a refusal when it is a new one.
        level = logging.DEBUG
        if refused and reason != self._said:
            level, self._said = logging.ERROR, reason
        elif first:
            level = logging.WARNING
        log.log(level, "no link to %s: %s; trying again in %.0f s", self._options.host, reason, delay_s)

    def _count(self, link: Link) -> None:
        self._rejected["overflow"] += link.overflowed
        if (info := link.tcp_info()) is not None:
            up, down = self._ended_bytes
            self._ended_bytes = up + info.up_bytes, down + info.down_bytes

    def _leave(self) -> None:
        link = self._link
        if link is None:
            return
        if self._connected:
            link.publish(topics.birth(self._options.unit), self._birth(online=False), retain=True)
        link.close(CLOSE_WITHIN_S)
        self._connected = False

    def _birth(self, *, online: bool) -> bytes:
        birth = {
            "online": online,
            "session": self._session,
            "firmware": self._options.firmware,
            "outbox_id": self._shelf.outboxes().newest,
        }
        return json.dumps(birth, separators=(",", ":")).encode()

    # ------------------------------------------------------------------ up

    def _send(self) -> None:
        link = self._link
        while link is not None and self._connected and link.free:
            out = self._sending.next_parcel(self._clock.monotonic_s())
            if out is None:
                return
            payload = out.packed.payload(out.waiting_bytes, self._stamps(out))
            if out.bulk:
                self._bulk_before, self._bulk_bytes = link.tcp_info(), len(payload)
            lane = topics.bulk if out.bulk else topics.up
            self._handed = out
            if not link.publish(lane(self._options.unit), payload):
                self._sending.unsent(out)

    def _stamps(self, out: Outgoing) -> Stamps:
        """With every bulk parcel (16 kB apart, they cost nothing), and with live ones that need them."""
        live = not out.bulk and self._sending.heard_receipt and self._clock.sane
        if live and out.packed.rows[0].id > self._unstamped_above:
            return NO_STAMPS
        return Stamps(self._session, self._clock.boot_id, self._clock.boottime_ms())

    # ------------------------------------------------------------------ down

    def _heard(self, topic: str, payload: bytes) -> None:
        try:
            if topic == topics.receipt(self._options.unit):
                self._heard_receipt(payload)
            elif topic == topics.command(self._options.unit):
                self._heard_command(payload)
            elif topic == topics.desired(self._options.unit):
                self._rejected["desired_not_known"] += bool(payload)
            else:
                self._heard_bridge(topic, payload)
        except PeerViolation as violation:
            self._rejected["receipt" if topic.endswith("/receipt") else "message"] += 1
            log.debug("%s: %s", topic, violation)

    def _heard_receipt(self, payload: bytes) -> None:
        receipt = decode_receipt(payload)
        now_s, link = self._clock.monotonic_s(), self._link
        self._clock.heard_receipt(receipt.utc_ms)
        self._backoff.worked()
        settled = self._sending.heard(receipt, now_s)
        if len(settled.stored):
            self._outbox.receipted(settled.stored)
        if len(settled.refused):
            self._outbox.refuse(settled.refused)
        if settled.new_outbox:
            log.warning("the centre has other rows under outbox %08x: a new outbox_id is opened", receipt.outbox_id)
            self._outbox.open_new_outbox()
        if link is not None:
            self._measure(link)
            if not link.context.fully_checked and self._clock.known_utc_ms() is not None:
                self._at_once = True  # the date is known now: the certificate is judged by it, before anything more
                link.goodbye()

    def _measure(self, link: Link) -> None:
        """How fast the uplink took the last bulk parcel, once all of it was acknowledged."""
        before, after = self._bulk_before, link.tcp_info()
        if before is None or after is None or after.acked_bytes - before.acked_bytes < self._bulk_bytes:
            return
        self._bulk_before = None
        self._sending.sent_bulk_in(
            after.acked_bytes - before.acked_bytes, after.busy_s - before.busy_s - after.least_rtt_s
        )

    def _heard_command(self, payload: bytes) -> None:
        if self._commands.qsize() < COMMANDS_WAITING:
            self._commands.put(payload)
        else:
            self._rejected["command_overflow"] += 1

    def _heard_bridge(self, topic: str, payload: bytes) -> None:
        if not payload:
            online = False
        else:
            try:
                state = json.loads(payload)
            except ValueError as error:
                raise PeerViolation("bridge state: no JSON") from error
            online = isinstance(state, dict) and state.get("online") is True
        self._sending.heard_bridge(topic, online, self._clock.monotonic_s())
