"""Images of a box's card: taken, put back, and put into another box."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import Final

from edge.outbox_reader import OutboxReader

OUTBOX: Final = ("outbox.db",)
WHOLE_CARD: Final = ("outbox.db", "documents.db")


def copied(source: Path, target: Path, names: tuple[str, ...]) -> None:
    """Files of a card (of a box that does not run), as an image of it would have them; what was there goes."""
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        for old in target.glob(f"{name}*"):
            old.unlink()
        for file in source.glob(f"{name}*"):
            shutil.copy2(file, target / file.name)


def outbox_ids(outbox: Path) -> list[int]:
    """The outboxes of a file, newest last."""
    with closing(OutboxReader(outbox)) as reader:
        return [outbox_id for _, outbox_id in reader.outboxes().opened]
