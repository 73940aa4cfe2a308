"""What other threads ask of the outbox, and what it has to say about itself: riding on the next transaction."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.outbox_batch import Batch
from edge.tombstones import REFUSED
from wire.ranges import Ranges


@dataclass(slots=True)
class Requests:
    """What rides on the next transaction; emptied only after its COMMIT."""

    receipted: Ranges = field(default_factory=Ranges)
    refused: Ranges = field(default_factory=Ranges)
    events: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    new_outbox: bool = False
    suspected: bool = False
    riding: Ranges = field(default_factory=Ranges)

    def waiting(self) -> bool:
        """Is there anything?"""
        return bool(self.receipted or self.refused or self.events or self.new_outbox or self.suspected)

    def ride(self, batch: Batch, at_most_bytes: int) -> None:
        """Into this transaction; receipted rows only as many as it can carry, the others ride on the next."""
        self.riding = self.leave(batch, at_most_bytes)
        batch.give_up(self.refused, REFUSED)
        for name, detail in self.events:
            batch.event(name, detail)

    def leave(self, batch: Batch, at_most_bytes: int) -> Ranges:
        """Receipted rows out, so many; which ones. What is no row of ours is forgotten (a receipt may be nonsense)."""
        self.receipted = batch.held(self.receipted)
        riding = batch.first_of(self.receipted, at_most_bytes)
        batch.delete(riding)
        return riding

    def left(self, riding: Ranges) -> None:
        """Those are committed."""
        self.receipted = self.receipted.minus(riding)

    def rode(self) -> None:
        """All that rode is committed."""
        self.left(self.riding)
        self.refused = Ranges()
        self.events.clear()
