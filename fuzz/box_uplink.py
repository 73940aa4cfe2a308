"""A box's uplink over a real outbox file of known rows: what the broker says to it, and what it does about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from edge.clock import Clock
from edge.outbox_reader import OutboxReader, StoredRow
from edge.own_link import OwnLink
from edge.tls import Identity
from edge.uplink import Uplink, UplinkOptions
from fuzz.box import NOWHERE
from fuzz.images import outbox_image
from fuzz.scratch import scratch
from wire.ranges import Ranges

UNIT = "amb-017"


@dataclass(slots=True)
class Asked:
    """What the uplink asks of the outbox's writing side."""

    stored: Ranges = field(default_factory=Ranges)
    refused: Ranges = field(default_factory=Ranges)
    new_outboxes: int = 0

    def receipted(self, ids: Ranges) -> None:
        """These rows may go."""
        self.stored = self.stored.union(ids)

    def refuse(self, ids: Ranges) -> None:
        """These rows become a tombstone."""
        self.refused = self.refused.union(ids)

    def open_new_outbox(self) -> None:
        """A new outbox_id from the next row on."""
        self.new_outboxes += 1


@cache
def outbox_file() -> Path:
    """Twelve rows of two outboxes, under the same names each time."""
    path = scratch("uplink") / "outbox.db"
    path.write_bytes(outbox_image())
    return path


@cache
def rows() -> dict[tuple[int, int], StoredRow]:
    """What the file holds, by outbox_id and seq."""
    reader = OutboxReader(outbox_file())
    found = {(row.outbox_id, row.seq): row for row in reader.above(0, 1000)}
    reader.close()
    return found


def uplink(clock: Clock, asked: Asked) -> Uplink:
    """An uplink that has no link yet."""
    return Uplink(
        UplinkOptions(unit=UNIT, host="localhost"),
        Identity(ca_path=NOWHERE, certificate_path=NOWHERE, key_path=NOWHERE),
        clock=clock,
        outbox=asked,
        open_shelf=shelf,
        next_session=lambda: 1,
        own_link=OwnLink(lambda: True),
    )


@cache
def shelf() -> OutboxReader:
    """One reader for all: the file never changes."""
    outbox_file()
    return OutboxReader(outbox_file())
