"""`pantau replay`: the clean messages again, every stream, from the committed log."""

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

from typer import Option

from pantau.store import StoreUrl, opened

if TYPE_CHECKING:
    from broker.store import LogEntry, Store

PAGE_ENTRIES: Final = 500


def replay(
    store_url: StoreUrl,
    after: Annotated[int, Option(metavar="LOG_ID", min=0, help="The last log_id you have.")] = 0,
    unit: Annotated[str | None, Option(help="Only what this box has sent.")] = None,
    asset: Annotated[str | None, Option(help="Only this vehicle, machine or pole.")] = None,
    agency: Annotated[str | None, Option(help="Only this agency's.")] = None,
) -> None:
    """Write the messages of the clean topics again, tracks, events and health, one JSON object a line, in log order.

    Each line has `topic` and `message`, as published; standard error says the log_id to go on from with --after.
    """
    from broker.clean import read_body, record_message

    wanted = {"unit": unit, "asset": asset, "agency": agency}
    before: dict[str, int] = {}
    with opened(store_url) as store:
        last_log_id = store.last_log_id()
        for entry in _entries(store, after, last_log_id):
            if any(name is not None and getattr(entry, place) != name for place, name in wanted.items()):
                continue
            body = read_body(entry)
            topic, payload, *_ = record_message(entry, body, before)
            before[topic] = entry.log_id
            print(json.dumps({"topic": topic, "message": json.loads(payload)}, ensure_ascii=False))
    print(f"last log_id {last_log_id}", file=sys.stderr)


def _entries(store: "Store", after: int, last_log_id: int) -> "Iterator[LogEntry]":
    """Up to the log_id that is reported: the next call goes on exactly there."""
    while page := store.read_log(after, PAGE_ENTRIES):
        for entry in page:
            if entry.log_id > last_log_id:
                return
            yield entry
        after = page[-1].log_id
