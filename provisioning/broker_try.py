"""Whether the broker lets an identity in: a whole MQTT connection with it. The only file here that imports paho.

The broker knows a box by its certificate's name, so this connection takes the place of the box's own for a moment;
its uplink connects anew by itself.
"""

from __future__ import annotations

import threading
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge.clock import Clock
from edge.errors import LinkRefused
from edge.tls import Identity, make_context, refusal

WITHIN_S: Final = 30.0


def try_broker(identity: Identity, name: str, host: str, port: int, clock: Clock) -> None:
    """Connect and go again; raises LinkRefused when the broker does not let us in, OSError when it is not there."""
    heard: list[Any] = []
    answered = threading.Event()

    def connected(_client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        heard.append(reason)
        answered.set()

    client = paho.Client(CallbackAPIVersion.VERSION2, name, reconnect_on_failure=False)
    client.tls_set_context(make_context(identity, clock))
    client.on_connect = connected
    client.on_disconnect = lambda *_: answered.set()
    try:
        client.connect(host, port, keepalive=60)
    except OSError as error:
        raise LinkRefused(refusal(error)) if refusal(error) else error from error
    client.loop_start()
    try:
        if not answered.wait(WITHIN_S):
            raise TimeoutError(f"{host} port {port} does not answer")
        if not heard or heard[0].is_failure:
            raise LinkRefused(f"the broker does not let {name} in: {heard[0] if heard else 'hung up'}")
    finally:
        client.disconnect()
        client.loop_stop()
