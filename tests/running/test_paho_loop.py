"""Paho's network thread may end while we wait for it; that is an end like any other."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from running.paho_loop import stop_loop


class EndsBetween(Client):
    """Its thread ends, as by a lost connection, just after `loop_stop` has seen that it is another one than ours."""

    looks = 0

    def __init__(self) -> None:
        super().__init__(CallbackAPIVersion.VERSION2)
        self._there = threading.Thread(target=int)

    @property
    def _thread(self) -> Any:
        if not hasattr(self, "_there"):
            return None
        self.looks += 1
        return self._there if self.looks <= 2 else None

    @_thread.setter
    def _thread(self, _: Any) -> None:
        """Paho's own constructor."""


def test_a_thread_that_ends_between_two_looks_of_paho_has_ended() -> None:
    stop_loop(EndsBetween())


def test_paho_still_looks_twice() -> None:
    with pytest.raises(AttributeError):  # when it no longer does, running/paho_loop.py can go
        EndsBetween().loop_stop()


def test_a_loop_that_runs_is_waited_for() -> None:
    client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
    client.connect_async("127.0.0.1", 9)
    client.loop_start()
    client.disconnect()
    stop_loop(client)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("paho")]
    stop_loop(client)  # there is none
