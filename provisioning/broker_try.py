"""A box's own short visit to the broker, with its identity and beside its uplink. The only file here that imports paho.

The broker knows a box by its certificate's name, so this connection takes the place of the box's own for a moment;
its uplink connects anew by itself, and may take the place back while the visit lasts.
"""

from __future__ import annotations

import queue
import socket
import threading
from typing import Any, Final, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from edge.clock import Clock
from edge.errors import LinkRefused
from edge.tls import Identity, LinkSocket, make_context, refusal
from provisioning.words import _
from running.paho_loop import stop_loop

WITHIN_S: Final = 30.0
ALERT_WITHIN_S: Final = 5.0


class Visit:
    """Connected from `with` on until its end; raises LinkRefused when the broker does not let us in, OSError when it
    is not there or the connection is lost. With `hear` it subscribes to that topic first.
    """

    def __init__(
        self,
        identity: Identity,
        name: str,
        host: str,
        port: int,
        clock: Clock,
        *,
        hear: str | None = None,
        within_s: float = WITHIN_S,
    ) -> None:
        self._name, self._host, self._port, self._hear = name, host, port, hear
        self._within_s = within_s
        self._reasons: list[Any] = []
        self._socket: LinkSocket | None = None
        self._answered = threading.Event()
        self._heard: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()  # None: the connection has ended
        self._client = paho.Client(CallbackAPIVersion.VERSION2, name, reconnect_on_failure=False)
        self._client.connect_timeout = within_s
        self._context = make_context(identity, clock)
        self._client.tls_set_context(self._context)
        self._client.on_socket_open = self._on_socket_open
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = lambda _client, _userdata, message: self._heard.put(bytes(message.payload))

    def __enter__(self) -> Self:
        try:
            self._client.connect(self._host, self._port, keepalive=60)
        except OSError as error:
            raise LinkRefused(refusal(error)) if refusal(error) else error from error
        self._client.loop_start()
        try:
            self._welcomed()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand over one message, QoS 0."""
        if self._client.publish(topic, payload, qos=0).rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise ConnectionResetError(_("the connection to {host} was lost").format(host=self._host))

    def take(self, within_s: float) -> bytes | None:
        """The next message that came down; None when there was none in that time."""
        try:
            heard = self._heard.get(timeout=max(0.0, within_s))
        except queue.Empty:
            return None
        if heard is None:
            raise ConnectionResetError(_("the connection to {host} was lost").format(host=self._host))
        return heard

    def _welcomed(self) -> None:
        if not self._answered.wait(self._within_s):
            raise TimeoutError(_("{host} port {port} does not answer").format(host=self._host, port=self._port))
        if not self._reasons:
            raise self._broken()
        if self._reasons[0].is_failure:
            raise self._refused(self._reasons[0])
        if self._hear is not None:
            self._client.subscribe(self._hear, qos=0)

    def _broken(self) -> OSError:
        """Ended before any answer: by an alert about our certificate, or, when there was none, by the network."""
        why = refusal(self._socket.failure) if self._socket is not None else None
        if (why := why or self._alert()) is not None:
            return self._refused(why)
        return ConnectionResetError(_("the connection to {host} was lost").format(host=self._host))

    def _alert(self) -> str | None:
        """Why TLS does not let us in, asked with nothing sent behind the handshake; None when it does, or is silent.

        A broker that closes with our CONNECT unread resets the connection, and its alert may be lost with it.
        """
        try:
            with (
                socket.create_connection((self._host, self._port), ALERT_WITHIN_S) as plain,
                self._context.wrap_socket(plain, server_hostname=self._host) as link,
            ):
                link.recv(1)
        except OSError as error:
            return refusal(error)
        return None

    def _refused(self, why: object) -> LinkRefused:
        return LinkRefused(_("the broker does not let {name} in: {why}").format(name=self._name, why=why))

    def _leave(self) -> None:
        self._client.disconnect()
        stop_loop(self._client)

    def _on_socket_open(self, _client: Any, _userdata: Any, opened: Any) -> None:
        self._socket = opened

    def _on_connect(self, _client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._reasons.append(reason)
        self._answered.set()

    def _on_disconnect(self, *_: Any) -> None:
        self._heard.put(None)
        self._answered.set()


def try_broker(identity: Identity, name: str, host: str, port: int, clock: Clock) -> None:
    """Connect and go again; raises LinkRefused when the broker does not let us in, OSError when it is not there."""
    with Visit(identity, name, host, port, clock):
        return
