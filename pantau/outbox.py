"""`pantau outbox`: what a box still holds."""

import json
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Exit, Option

if TYPE_CHECKING:
    from edge.outbox_table import OutboxDocuments


@dataclass(slots=True)
class Depth:
    """One outbox_id's rows."""

    outbox_id: str
    rows: int = 0
    bytes: int = 0
    seqs: list[list[int]] = field(default_factory=list)  # first and last of each unbroken range
    classes: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    oldest_utc: str | None = None
    newest_utc: str | None = None
    worn: int = 0  # rows whose bytes no longer check


def outbox(
    file: Annotated[Path, Argument(help="A box's outbox file, live or a copy (copy its -wal file with it).")],
    rows: Annotated[int, Option(help="Show so many of the newest rows, decoded.", min=0)] = 0,
    as_json: Annotated[bool, Option("--json", help="For programs.")] = False,
) -> None:
    """What is waiting in a box's outbox: how many records, of which outbox_id, seqs and classes, how old.

    Only reads: a record leaves the box when the centre says that it has stored it.
    """
    from edge.errors import OutboxCorrupt
    from edge.outbox_table import open_outbox_table

    try:
        with open_outbox_table(file) as documents:
            depths = depth_by_outbox(documents)
            newest = _newest(documents, rows)
    except OutboxCorrupt as error:
        why = f"{file}: {error.__cause__}" if error.__cause__ else error
        print(f"pantau outbox: {why}", file=sys.stderr)
        raise Exit(2) from error
    if as_json:
        print(json.dumps({"outboxes": [asdict(depth) for depth in depths], "rows": newest}, indent=2))
    else:
        _show(file, depths, newest)


def depth_by_outbox(documents: "OutboxDocuments") -> list[Depth]:
    """One pass over the table, oldest outbox first."""
    depths: dict[str, Depth] = {}
    for document in documents:
        depth = depths.setdefault(document["outbox_id"], Depth(document["outbox_id"]))
        depth.rows += 1
        depth.bytes += document["bytes"]
        for counts, name in ((depth.classes, document["class"]), (depth.kinds, document["kind"])):
            counts[name] = counts.get(name, 0) + 1
        depth.worn += not document["sound"]
        if depth.seqs and depth.seqs[-1][1] == document["seq"] - 1:
            depth.seqs[-1][1] = document["seq"]
        else:
            depth.seqs.append([document["seq"], document["seq"]])
        if (at_utc := _utc(document["at_utc_s"])) is not None:
            depth.oldest_utc = depth.oldest_utc or at_utc
            depth.newest_utc = at_utc
    return list(depths.values())


def _newest(documents: "OutboxDocuments", limit: int) -> list[dict[str, Any]]:
    """The newest rows, newest first."""
    ids = documents.storage.rows("SELECT id FROM rows ORDER BY id DESC LIMIT ?", (limit,))  # type: ignore[attr-defined]
    found = []
    for (row_id,) in list(ids):
        if (document := documents.get(doc_id=row_id)) is not None:  # else its receipt came meanwhile
            body = document.pop("body")
            document["at_utc"] = _utc(document.pop("at_utc_s"))
            found.append({**document, "record": _decoded(document["kind"], body)})
    return found


def _decoded(kind_name: str, body: bytes) -> object:
    """The record in words; the official library is the centre's, so a box without it shows bytes."""
    try:
        from google.protobuf.json_format import MessageToDict

        from wire.decode import Track, decode_body
    except ModuleNotFoundError:
        return body.hex()
    from wire.errors import PeerViolation
    from wire.kinds import KIND_NAMES

    kind = next((number for number, name in KIND_NAMES.items() if name == kind_name), -1)
    try:
        record = decode_body(kind, body)
    except PeerViolation as error:
        return f"{error}: {body.hex()}"
    if not isinstance(record, Track):
        return MessageToDict(record, preserving_proto_field_name=True)
    names = ("times_ms", "lat_e7", "lon_e7", "alt_cm", "speed_cmps", "course_cdeg", "hdop_c", "sats")
    return {name: list(getattr(record, name)) for name in names}


def _utc(unix_s: int | None) -> str | None:
    return None if unix_s is None else datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _show(file: Path, depths: list[Depth], newest: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from pantau.tables import print_table

    table = Table(box=None, header_style="bold")
    for column in ("outbox", "rows", "bytes", "seqs", "classes", "oldest", "newest"):
        table.add_column(column, justify="right" if column in ("rows", "bytes") else "left")
    for depth in depths:
        classes = ", ".join(f"{name} {count}" for name, count in sorted(depth.classes.items()))
        seqs = " ".join(f"{first}-{last}" for first, last in islice(depth.seqs, 4))
        more = f" … {len(depth.seqs)} ranges" if len(depth.seqs) > 4 else ""
        table.add_row(
            depth.outbox_id,
            str(depth.rows),
            str(depth.bytes),
            seqs + more,
            classes,
            depth.oldest_utc or "?",
            depth.newest_utc or "?",
        )
        if depth.worn:
            print(f"{depth.outbox_id}: {depth.worn} rows whose bytes no longer check", file=sys.stderr)
    if depths:
        print_table(table)
    else:
        print(f"{file}: empty, the centre has everything")
    for row in newest:
        print(json.dumps(row))
