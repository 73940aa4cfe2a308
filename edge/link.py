"""One connection to the broker, from the first SYN to its end: the only file on the edge that imports paho.

A link is used once: a new one has no old aliases, packets or states. Paho's own thread connects, reads and writes; its
callbacks only put what they heard into the queue they were given (an exception in a callback would kill that thread
while is_connected() stays True).
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final

from paho.mqtt.client import Client, DisconnectFlags, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.tcp_info import TcpInfo, read_tcp_info
from edge.tls import LinkContext, LinkSocket
from running.paho_loop import stop_loop

CONNECT_TIMEOUT_S: Final = 10.0  # a TCP connect, and again a TLS handshake, on the slowest link
HEARD_WAITING: Final = 1_000  # what the broker pours in faster than we look at it is dropped and counted
# Paho wakes by itself only for its pings, and by a byte in its socket pair for all that is to be sent: five seconds
# late is early enough for any keep-alive of 10 s or more, and a fifth of what waking each second costs.
LOOP_S: Final = 5.0
GOODBYE_S: Final = 1.0  # for the last packets to leave before the connection is broken off
# MQTT 5 reason codes and MQTT 3.1.1 return codes (paho gives the latter the former's names).
_UNSUPPORTED_VERSION: Final = 0x84
# Client id, name or password, not authorized, banned, authentication method.
_REFUSED: Final = frozenset({0x85, 0x86, 0x87, 0x8A, 0x8C})
_TAKEN_OVER: Final = 0x8E  # MQTT 5, from Mosquitto 2.0.15 on: an older one just hangs up


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker let us in."""

    link: Link


@dataclass(frozen=True, slots=True)
class Ended:
    """The link is over: `error` when the socket said why, `code` when the broker did."""

    link: Link
    error: BaseException | None = None
    code: int = 0
    reason: str = ""
    unanswered: bool = False  # TLS was up, and no CONNACK came

    @property
    def version_unsupported(self) -> bool:
        return self.code == _UNSUPPORTED_VERSION

    @property
    def refused(self) -> bool:
        return self.code in _REFUSED

    @property
    def taken_over(self) -> bool:
        """Somebody connected under our name. (A link that a newer one of ours replaces has ended for us before.)"""
        return self.code == _TAKEN_OVER


@dataclass(frozen=True, slots=True)
class Heard:
    """A message came down."""

    link: Link
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """What was handed over has left for the kernel."""

    link: Link


class _Client(Client):
    """Paho, whose thread sleeps until something happens."""

    def loop_forever(self, timeout: float = LOOP_S, retry_first_connection: bool = False) -> MQTTErrorCode:
        """What paho's own thread runs."""
        return super().loop_forever(min(timeout, self.keepalive / 2), retry_first_connection)


Event = Connected | Ended | Heard | Written


class Link:
    """Connects when `open` is called; says what happens by putting events into `events`."""

    def __init__(
        self,
        events: SimpleQueue[Any],
        *,
        client_id: str,
        context: LinkContext,
        keepalive_s: int,
        mqtt5: bool,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        self.context: Final = context
        self.mqtt5: Final = mqtt5
        self.overflowed = 0
        self._events = events
        self._keepalive_s = keepalive_s
        self._aliases_allowed = 0
        self._aliases: dict[str, int] = {}
        self._handed: MQTTMessageInfo | None = None
        self._socket: Any = None
        self._last_info: TcpInfo | None = None
        self._answered = self._ended = self._closing = self._finished = False
        self._over = threading.Event()
        self._client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=None if mqtt5 else True,
            protocol=MQTTProtocolVersion.MQTTv5 if mqtt5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        self._client.connect_timeout = connect_timeout_s
        self._client.tls_set_context(context)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_socket_open = self._on_socket_open
        self._client.on_socket_close = self._on_socket_close
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish

    def open(self, host: str, port: int, will_topic: str, will: bytes) -> None:
        """Start connecting; the will is published by the broker when the link dies without a goodbye."""
        self._client.will_set(will_topic, will, qos=1, retain=True)
        self._client.connect_async(host, port, keepalive=self._keepalive_s)
        self._client.loop_start()

    def subscribe(self, *filters: str) -> None:
        """Ask for these topics, QoS 0."""
        self._client.subscribe([(one, 0) for one in filters])

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Hand over one message, QoS 0 like all that goes up; False when the link is gone (nothing is queued)."""
        if not self._client.is_connected():
            return False
        properties = None
        if not retain and self._aliases_allowed:
            topic, properties = self._aliased(topic)
        info = self._client.publish(topic, payload, qos=0, retain=retain, properties=properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False  # not kept: paho raises when it is asked about such a one
        self._handed = info
        return True

    @property
    def free(self) -> bool:
        """Has all that was handed over left for the kernel: paho itself would queue without a bound."""
        return self._handed is None or self._handed.is_published()

    def tcp_info(self) -> TcpInfo | None:
        """The kernel's counters, at the end those of the whole link; None when there never was a connection."""
        if self._socket is not None and (info := read_tcp_info(self._socket)) is not None:
            return info
        return self._last_info

    @property
    def keepalive_s(self) -> float:
        """What counts: the broker may have asked for another one."""
        return float(self._client.keepalive)

    def break_off(self, why: str) -> None:
        """The path is dead: end at once, without a goodbye (the broker publishes the will)."""
        self._closing = True
        if isinstance(self._socket, LinkSocket):
            self._socket.break_off()
        self._end(reason=why)  # whatever paho's thread makes of it

    def goodbye(self) -> None:
        """Ask paho's thread to write what it has, say goodbye (no will) and end."""
        self._closing = True
        self._client.disconnect()

    def close(self, within_s: float) -> None:
        """Say goodbye and end; returns when paho's thread has ended or the time is over.

        It can be over: paho's thread may hang in a name lookup. It is a daemon thread of paho's making, and the
        process may leave without it.
        """
        deadline_s = time.monotonic() + within_s
        self.goodbye()
        if not self._over.wait(min(GOODBYE_S, within_s)) and isinstance(self._socket, LinkSocket):
            self._socket.break_off()
        if self._over.wait(max(0.0, deadline_s - time.monotonic())):
            stop_loop(self._client)

    def reap(self) -> None:
        """After Ended: wait for paho's thread, which has nothing left to do.

        Unless it still hangs in a lookup or a handshake that we gave up: it ends by itself when that does.
        """
        if self._finished or self._socket is not None:
            stop_loop(self._client)

    # ------------------------------------------------------------------ in paho's thread

    def _on_socket_open(self, _client: Client, _user: Any, sock: Any) -> None:
        self._socket = sock

    def _on_socket_close(self, _client: Client, _user: Any, sock: Any) -> None:
        self._last_info = read_tcp_info(sock)

    def _on_connect(self, _client: Client, _user: Any, _flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._answered = True
        if reason.is_failure or self._closing:
            self._end(code=reason.value, reason=str(reason))
            self._socket.break_off()
            return
        self._aliases_allowed = getattr(properties, "TopicAliasMaximum", 0)
        self._events.put(Connected(self))

    def _on_connect_fail(self, _client: Client, _user: Any) -> None:
        self._finished = True
        self._end(error=sys.exception())  # called from paho's except clause
        self._client.disconnect()  # or paho would try again by itself

    def _on_disconnect(
        self, _client: Client, _user: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        self._finished = True
        if flags.is_disconnect_packet_from_server:
            self._end(code=reason.value, reason=str(reason))
        else:  # paho's own codes say no more than that
            self._end(error=self._socket.failure, reason="connection lost")

    def _on_message(self, _client: Client, _user: Any, message: MQTTMessage) -> None:
        if self._events.qsize() >= HEARD_WAITING:
            self.overflowed += 1
        else:
            self._events.put(Heard(self, message.topic, bytes(message.payload)))

    def _on_publish(self, *_: Any) -> None:
        # Paho 2.2 forgets it (_packet_write returns before its last lines), and would ping a busy link:
        # 256 B each keep-alive, 3.4 of the 30 B an epoch. In a version that names it otherwise this changes nothing.
        self._client._last_msg_out = time.monotonic()
        self._events.put(Written(self))

    def _end(self, error: BaseException | None = None, code: int = 0, reason: str = "") -> None:
        if not self._ended:  # it ends once, though a refused CONNACK is followed by on_disconnect
            self._ended = True
            unanswered = self._socket is not None and not self._answered
            self._events.put(Ended(self, error, code, reason, unanswered))
        self._over.set()

    # ------------------------------------------------------------------ inside

    def _aliased(self, topic: str) -> tuple[str, Properties | None]:
        """The topic once with its alias, then the alias alone: two bytes instead of up to 45."""
        known = self._aliases.get(topic)
        if known is None and len(self._aliases) >= self._aliases_allowed:
            return topic, None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.TopicAlias = self._aliases.setdefault(topic, len(self._aliases) + 1)
        return (topic if known is None else ""), properties
