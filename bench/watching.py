"""From outside: when rows were appended to outboxes, and when their records were on the clean topics."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edge.outbox import OutboxReader
from stage.city import CONSUMER, HOST, City
from stage.clients import Client, tls

LOOK_EVERY_S: Final = 0.01
STREAMS: Final = ("track", "event", "health")
_UNIT: Final = re.compile(rb'"unit":"([^"]+)"')
_SEQ: Final = re.compile(rb'"seq":(\d+)')

Row = tuple[str, int]  # unit, seq: in a file with one outbox_id the row's id


class Watch(threading.Thread):
    """Monotonic times in seconds, by row: `appended` (to LOOK_EVERY_S) of rows above `backlog`, `clean` of all."""

    def __init__(self, city: City, backlog: Mapping[str, int]) -> None:
        super().__init__(name="watch")
        self.appended: dict[Row, float] = {}
        self.clean: dict[Row, float] = {}
        self._outboxes: dict[str, Path] = {unit: city.outbox_path(unit) for unit in backlog}
        self._highest = dict(backlog)
        self._stop_asked = threading.Event()
        who = city.credentials(CONSUMER)
        context = tls(who.ca_path, who.certificate_path, who.key_path)
        self._client = Client(HOST, city.port, context, CONSUMER, self._heard)
        for stream in STREAMS:
            self._client.subscribe(f"city/v1/+/+/{stream}")

    def run(self) -> None:
        readers = {unit: OutboxReader(path) for unit, path in self._outboxes.items()}
        while not self._stop_asked.wait(LOOK_EVERY_S):
            self._client.turn()
            for unit, reader in readers.items():
                newest_id = reader.newest_id()
                if newest_id > self._highest[unit]:
                    now_s = time.monotonic()
                    rows = range(self._highest[unit] + 1, newest_id + 1)
                    self.appended |= {(unit, row_id): now_s for row_id in rows}
                    self._highest[unit] = newest_id
        for reader in readers.values():
            reader.close()
        self._client.close()

    def stop(self) -> None:
        """End; nothing is written to `appended` and `clean` any more."""
        self._stop_asked.set()
        self.join()

    def live_s(self, since_s: float, until_s: float) -> list[float]:
        """Append to clean topic of rows appended in between, rows that never came as infinity."""
        return [
            self.clean.get(row, float("inf")) - at_s
            for row, at_s in list(self.appended.items())
            if since_s <= at_s < until_s
        ]

    def _heard(self, _topic: str, payload: bytes) -> None:
        unit, seq = _UNIT.search(payload), _SEQ.search(payload)
        if unit is not None and seq is not None:
            self.clean.setdefault((unit[1].decode(), int(seq[1])), time.monotonic())
