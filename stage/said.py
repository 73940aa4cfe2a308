"""What a unit says of what happened, read out of its outbox while it runs: events by name, as they are written."""

from __future__ import annotations

from pathlib import Path

from edge.errors import OutboxCorrupt, OutboxFull
from edge.outbox_reader import OutboxReader
from wire import records_pb2
from wire.kinds import KIND_ANCHOR, KIND_EVENT

ANCHOR = "anchor"  # beside the events' names


class Said:
    """The events that a unit writes from now on. `new` is one thread's, and asked often: receipted rows leave."""

    def __init__(self, outbox: Path) -> None:
        self._reader = OutboxReader(outbox)
        try:
            self._above = self._reader.newest_id()
        except (OutboxFull, OutboxCorrupt):  # there is none yet
            self._above = 0
        self._reader.close()  # its connection is the asking thread's

    def new(self) -> list[str]:
        """Names of the events written since the last call, ANCHOR for an anchor; none while the file cannot be read."""
        try:
            rows = self._reader.above(self._above, 10_000)
        except (OutboxFull, OutboxCorrupt):
            return []
        if rows:
            self._above = rows[-1].id
        names = [records_pb2.Event.FromString(row.body).name for row in rows if row.kind == KIND_EVENT]
        return names + [ANCHOR for row in rows if row.kind == KIND_ANCHOR]

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()
