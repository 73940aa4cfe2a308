"""The connection of the bridge and of `pantau watch`: paho over mutual TLS, reconnecting; its callbacks only queue."""

from __future__ import annotations

import logging
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from running.turns import Turns

log = logging.getLogger(__name__)

KEEPALIVE_S: Final = 10  # broker and bridge are neighbours: a dead one is noticed within 15 s
CONNECT_TIMEOUT_S: Final = 3.0
# The centre's few clients come back almost at once; spreading the fleet is the units' matter. Full jitter, doubled
# while connections do not last: two clients of one name throw each other out, and need time to say who they are.
FIRST_RETRY_S: Final = 0.3
SLOWEST_RETRY_S: Final = 3.0
STEADY_S: Final = 5.0
LOOP_S: Final = 1.0
READ_ON_MESSAGES: Final = 100  # in 2 ms; then receipts and pings have their turn again
WARN_EVERY_S: Final = 30.0

Received = Callable[[str, bytes, bool], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the broker is, and the PEM files that say who we are."""

    host: str
    port: int
    ca_path: Path
    certificate_path: Path
    key_path: Path


class Link:
    """One connection under one certificate. `run` is its network thread; the other methods may be called anywhere.

    `received(topic, payload, retained)` and `connected()` are called by the network thread and must only queue:
    paho's thread dies of an exception while its client still claims to be connected.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        name: str,
        *,
        subscriptions: Sequence[tuple[str, int]] = (),
        received: Received | None = None,
        connected: Callable[[], None] | None = None,
        will: tuple[str, bytes] | None = None,
    ) -> None:
        self.name = name
        self._endpoint = endpoint
        self._subscriptions = list(subscriptions)
        self._received = received
        self._heard = 0
        self._connected = connected
        self._closing = threading.Event()
        self._lost_mono_s: float | None = None
        self._warned_mono_s = -WARN_EVERY_S
        self.subscribed = False  # the broker has granted it, on the connection there is
        self._tls = _context(endpoint)
        self._client = self._wire(will)

    def _wire(self, will: tuple[str, bytes] | None) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2, self.name, reconnect_on_failure=False)
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.tls_set_context(self._tls)
        client.on_socket_open = _send_at_once
        # With this set, publish() leaves the writing to the network thread: two threads writing would mix packets.
        client.on_socket_register_write = lambda *_: None
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        if will is not None:
            client.will_set(will[0], will[1], qos=1, retain=True)
        return client

    def run(self, turns: Turns | None = None) -> None:
        """Connect and stay connected until `close`; blocks. `turns` is told that it turns."""
        delay_s = 0.0
        turns = turns or Turns()
        while True:
            pause_s = random.uniform(0.0, delay_s)
            turns.turned(pause_s)
            if self._closing.wait(pause_s):
                return
            started_s = time.monotonic()
            try:
                with turns.elsewhere():  # name servers take their time
                    _show(self._tls, self._endpoint)
                    self._client.connect(self._endpoint.host, self._endpoint.port, KEEPALIVE_S)
            except OSError as error:
                self._lost(str(error))
            else:
                if self._closing.is_set():  # closed while it was connecting
                    self._client.disconnect()
                while self._client.loop(LOOP_S) == paho.MQTT_ERR_SUCCESS:
                    turns.turned()
                    self._read_on()
            steady = time.monotonic() - started_s >= STEADY_S
            delay_s = FIRST_RETRY_S if steady else min(SLOWEST_RETRY_S, max(FIRST_RETRY_S, 2 * delay_s))

    def _read_on(self) -> None:
        """Read what is there already: loop() selects, looks after pings and writes for each single message."""
        for _ in range(READ_ON_MESSAGES):
            heard = self._heard
            if self._client.loop_read() != paho.MQTT_ERR_SUCCESS or self._heard == heard:
                return

    def _on_message(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        self._heard += 1
        if self._received is not None:
            self._received(message.topic, bytes(message.payload), message.retain)

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        """Hand it to the network thread; False when there is no connection (nothing is kept for later at QoS 0)."""
        return self._client.publish(topic, payload, qos, retain).rc == paho.MQTT_ERR_SUCCESS

    @property
    def online(self) -> bool:
        return self._client.is_connected()

    def close(self) -> None:
        """Send what was handed over, say goodbye, and make `run` return."""
        self._closing.set()
        self._client.disconnect()

    def break_off(self) -> None:
        """Make `run` return although the broker takes nothing any more; after `close`."""
        sock = self._client.socket()
        if not isinstance(sock, socket.socket):
            return
        try:
            # The plain socket's: SSLSocket's own would drop the TLS layer under the writing thread.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        except OSError:
            return  # already gone: that was the aim

    def _on_connect(self, client: paho.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._lost(f"refused: {reason}")
            return
        if self._lost_mono_s is not None:
            level = logging.INFO if self._warned_mono_s >= self._lost_mono_s else logging.DEBUG
            log.log(level, "%s: connected again after %.1f s", self.name, time.monotonic() - self._lost_mono_s)
            self._lost_mono_s = None
        if self._subscriptions:
            client.subscribe(self._subscriptions)
        if self._connected is not None:
            self._connected()

    def _on_subscribe(self, _client: Any, _userdata: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        self.subscribed = not any(reason.is_failure for reason in reasons)
        if not self.subscribed:
            log.error("%s: the broker refuses what is to be read", self.name)

    def _on_disconnect(self, _client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.subscribed = False
        if reason.is_failure:
            self._lost(str(reason))

    def _lost(self, why: str) -> None:
        now_s = time.monotonic()
        first = self._lost_mono_s is None and now_s - self._warned_mono_s >= WARN_EVERY_S
        self._lost_mono_s = self._lost_mono_s or now_s
        self._warned_mono_s = now_s if first else self._warned_mono_s
        level = logging.WARNING if first else logging.DEBUG
        log.log(level, "%s: no broker at %s port %d: %s", self.name, self._endpoint.host, self._endpoint.port, why)


def _context(endpoint: Endpoint) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(endpoint.ca_path))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _show(context, endpoint)
    return context


def _show(context: ssl.SSLContext, endpoint: Endpoint) -> None:
    """Use the certificate as its file is now: it is renewed under a bridge that has run for a year."""
    context.load_cert_chain(str(endpoint.certificate_path), str(endpoint.key_path))


def _send_at_once(_client: Any, _userdata: Any, sock: Any) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # median append -> central 48 ms -> 4.5 ms
