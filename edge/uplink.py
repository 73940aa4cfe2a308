"""The uplink thread: keeps a link to the broker, sends what `sending` decides, hands receipts to the outbox.

It never writes to the outbox: what receipts change is queued there. Commands are carried out by the main thread, which
takes them with `take_commands`.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from edge.backlog import Shelf
from edge.backoff import Backoff
from edge.budget import Spent, of_parcel
from edge.clock import Clock
from edge.errors import OutboxCorrupt, OutboxFull
from edge.keeping import LinkKeeper, UplinkOptions
from edge.link import Connected, Ended, Heard, Link, Written
from edge.own_link import OwnLink
from edge.packing import NO_STAMPS, Stamps
from edge.sending import Outgoing, Sending
from edge.tcp_info import TcpInfo
from edge.tls import Identity
from wire import topics
from wire.errors import PeerViolation
from wire.ranges import Ranges
from wire.receipt import decode_receipt

__all__ = ["POINTS", "Account", "Uplink", "UplinkOptions"]

log = logging.getLogger(__name__)

LONGEST_PAUSE_S: Final = 20.0  # a third of what the watchdog allows (edge/service.py); whatever happens wakes the loop
AGAIN_S: Final = 1.0  # after the outbox could not be read, or while the kernel takes no more bytes
CLOSE_WITHIN_S: Final = 3.0  # of the 5 s a stop may take
EVENTS_A_TURN: Final = 100
DESIRED_WAITING: Final = 10  # retained, the last one comes again with the next connection
COMMANDS_WAITING: Final = 100  # the centre sends each again every 30 s

# Where a test may kill the process: the names that `at` is called with. A parcel is handed to paho; what a receipt says
# is passed on to the outbox.
POINTS: Final = ("parcel:packed", "parcel:handed", "receipt:heard", "receipt:passed_on")


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


@dataclass(frozen=True, slots=True)
class Account:
    """What the uplink has done since the process began, for the health record."""

    connections: int
    up_bytes: int
    down_bytes: int
    rejected: Counter[str]
    attributed: Spent  # payloads by class; what else the link carried is in none


class Uplink:
    """One unit's uplink; `run` is the thread; what is public besides is for the main thread."""

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
        at: Callable[[str], None] = lambda _point: None,
    ) -> None:
        self._unit = options.unit
        self._firmware = options.firmware
        self._clock = clock
        self._outbox = outbox
        self._at = at
        self._shelf = open_shelf()
        self._sending = Sending(self._shelf, options.limits)
        self._events: SimpleQueue[Connected | Ended | Heard | Written | None] = SimpleQueue()
        self._keeper = LinkKeeper(
            options,
            identity,
            self._events,
            clock=clock,
            next_session=next_session,
            backoff=backoff,
            own_link=own_link,
        )
        self._commands: SimpleQueue[bytes] = SimpleQueue()
        self._desired: SimpleQueue[bytes] = SimpleQueue()
        self._rejected: Counter[str] = Counter()
        self._woken = self._unreadable = False
        self._handed: Outgoing | None = None
        self._bulk_before: TcpInfo | None = None
        self._bulk_bytes = 0
        self._attributed = Spent()
        self._unstamped_above = 0

    # ------------------------------------------------------------------ for the main thread

    def wake(self) -> None:
        """A row was appended, or the stop was set."""
        if not self._woken:  # one is enough, however many rows come before this thread turns
            self._woken = True
            self._events.put(None)

    def hurry(self, on: bool) -> None:
        """Whether somebody calls for help: then no attempt to connect is waited for long."""
        self._keeper.hurry(on)

    def take_commands(self) -> Iterator[bytes]:
        """Commands as they came down; the main loop asks at each turn (edge/commands.py carries them out)."""
        yield from _taken(self._commands)

    def take_desired(self) -> Iterator[bytes]:
        """Desired configuration as it came down, oldest first (edge/desired.py judges it)."""
        yield from _taken(self._desired)

    def account(self) -> Account:
        """Counters since the process began."""
        rejected = Counter(self._rejected)  # copies first: the other thread may count a new reason at any moment
        rejected.update(dict(self._sending.rejected))
        rejected.update(
            link_refused=self._keeper.refusals,
            link_taken_over=self._keeper.takeovers,
            overflow=self._keeper.overflowed,
        )
        up, down = self._keeper.bytes_so_far()
        return Account(self._keeper.connections, up, down, +rejected, self._attributed)

    def limit_backlog(self, bytes_per_s: float | None) -> None:
        """From now on the bulk lane goes no faster than this on average; None lifts the unit's own limit."""
        self._sending.limit_backlog(bytes_per_s)

    @property
    def connected(self) -> bool:
        """The broker has let us in."""
        return self._keeper.connected

    @property
    def online(self) -> bool:
        """Did a receipt come in this session: the whole path works."""
        return self._keeper.connected and self._sending.heard_receipt

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
            self._keeper.look_after(lambda session: self._birth(session, online=False))
            self._send()
        except (OutboxFull, OutboxCorrupt) as error:
            # The writer knows and mends it. What was half done here is done again in a new session.
            log.log(logging.DEBUG if self._unreadable else logging.WARNING, "outbox can not be read: %s", error)
            self._unreadable = True
            if self._keeper.link is not None:
                self._keeper.link.break_off("outbox can not be read")
            stop.wait(AGAIN_S)
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
        now_s, keeper = self._clock.monotonic_s(), self._keeper
        due_s = min(keeper.due_s(now_s), now_s + LONGEST_PAUSE_S)
        if keeper.link is not None and keeper.connected:
            due_s = min(due_s, self._sending.due_s(now_s) if keeper.link.free else now_s + AGAIN_S)
        return max(due_s - now_s, 0.0)

    def _happened(self, event: Connected | Ended | Heard | Written | None) -> None:
        if event is None:
            self._woken = False
            self._sending.appended()
            if not self._clock.sane:
                self._unstamped_above = self._shelf.newest_id()
        elif event.link is not self._keeper.link:
            return  # of a link that was given up
        elif isinstance(event, Heard):
            self._heard(event.topic, event.payload)
        elif isinstance(event, Connected):
            self._begin(event.link)
        elif isinstance(event, Ended):
            self._end(event)

    # ------------------------------------------------------------------ the session

    def _begin(self, link: Link) -> None:
        self._keeper.let_in()
        self._bulk_before = None
        wanted = (topics.receipt(self._unit), topics.desired(self._unit), topics.command(self._unit))
        link.subscribe(*wanted, topics.bridge_state("+"))
        link.publish(topics.birth(self._unit), self._birth(self._keeper.session, online=True), retain=True)
        self._sending.connected(self._clock.monotonic_s())

    def _end(self, ended: Ended) -> None:
        if not ended.link.free and self._handed is not None:
            self._sending.unsent(self._handed)
        self._sending.disconnected()
        self._keeper.ended(ended)

    def _leave(self) -> None:
        keeper = self._keeper
        if keeper.link is not None and keeper.connected:
            try:
                offline = self._birth(keeper.session, online=False)
            except (OutboxFull, OutboxCorrupt):
                keeper.link.break_off("outbox can not be read")  # then the will says it
            else:
                keeper.link.publish(topics.birth(self._unit), offline, retain=True)
        keeper.close(CLOSE_WITHIN_S)

    def _birth(self, session: int, *, online: bool) -> bytes:
        birth = {
            "online": online,
            "session": session,
            "firmware": self._firmware,
            "outbox_id": self._shelf.outboxes().newest,
        }
        return json.dumps(birth, separators=(",", ":")).encode()

    # ------------------------------------------------------------------ up

    def _send(self) -> None:
        link = self._keeper.link
        while link is not None and self._keeper.connected and link.free:
            out = self._sending.next_parcel(self._clock.monotonic_s())
            if out is None:
                return
            payload = out.packed.payload(out.waiting_bytes, self._stamps(out))
            if out.bulk:
                self._bulk_before, self._bulk_bytes = link.tcp_info(), len(payload)
            lane = topics.bulk if out.bulk else topics.up
            self._handed = out
            self._at("parcel:packed")
            if link.publish(lane(self._unit), payload):
                self._attributed = self._attributed.and_also(of_parcel(out.bulk, out.packed.rows, len(payload)))
                self._at("parcel:handed")
            else:
                self._sending.unsent(out)

    def _stamps(self, out: Outgoing) -> Stamps:
        """With every bulk parcel (16 kB apart, they cost nothing), and with live ones that need them."""
        live = not out.bulk and self._sending.heard_receipt and self._clock.sane
        if live and out.packed.rows[0].id > self._unstamped_above:
            return NO_STAMPS
        return Stamps(self._keeper.session, self._clock.boot_id, self._clock.boottime_ms())

    # ------------------------------------------------------------------ down

    def _heard(self, topic: str, payload: bytes) -> None:
        try:
            if topic == topics.receipt(self._unit):
                self._heard_receipt(payload)
            elif topic == topics.command(self._unit):
                self._heard_command(payload)
            elif topic == topics.desired(self._unit):
                self._heard_desired(payload)
            else:
                self._heard_bridge(topic, payload)
        except PeerViolation as violation:
            self._rejected["receipt" if topic.endswith("/receipt") else "message"] += 1
            log.debug("%s: %s", topic, violation)

    def _heard_receipt(self, payload: bytes) -> None:
        receipt = decode_receipt(payload)
        self._at("receipt:heard")
        self._clock.heard_receipt(receipt.utc_ms, until_utc_ms=self._keeper.certificate_ends_utc_ms())
        settled = self._sending.heard(receipt, self._clock.monotonic_s())
        if len(settled.stored):
            self._outbox.receipted(settled.stored)
        if len(settled.refused):
            self._outbox.refuse(settled.refused)
        if settled.new_outbox:
            log.warning("the centre has other rows under outbox %08x: a new outbox_id is opened", receipt.outbox_id)
            self._outbox.open_new_outbox()
        self._at("receipt:passed_on")
        if self._keeper.link is not None:
            self._measure(self._keeper.link)
        self._keeper.worked()

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

    def _heard_desired(self, payload: bytes) -> None:
        if not payload:
            return  # nothing is retained any more: what runs goes on
        if self._desired.qsize() < DESIRED_WAITING:
            self._desired.put(payload)
        else:
            self._rejected["desired_overflow"] += 1

    def _heard_bridge(self, topic: str, payload: bytes) -> None:
        if not payload:
            online = False
        else:
            try:
                state = json.loads(payload)
            except (ValueError, RecursionError) as error:
                raise PeerViolation("bridge state: no JSON") from error
            online = isinstance(state, dict) and state.get("online") is True
        self._sending.heard_bridge(topic, online, self._clock.monotonic_s())


def _taken(queue: SimpleQueue[bytes]) -> Iterator[bytes]:
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return
