"""The end of paho's network thread, whoever ends it first."""

from __future__ import annotations

from contextlib import suppress

from paho.mqtt.client import Client


def stop_loop(client: Client) -> None:
    """Return when the thread that `loop_start` began has ended, at once when there is none.

    Paho 2.1 looks twice at which thread it has, to see that there is one and to join it. A connection that is lost
    between the two ends the thread, and there is nothing to join any more: AttributeError, of a loop that has ended.
    """
    with suppress(AttributeError):
        client.loop_stop()
