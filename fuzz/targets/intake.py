"""Whatever parcels a unit sends, each sound row is stored once and published, and none stops the store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from random import Random

from broker.clean import read_body, record_message
from broker.committer import Alarm, Committer, Result
from broker.lanes import Lanes, Queued
from broker.presence import Heard, Register
from broker.store import UNDECODED, Outcome, Store, open_store
from fuzz.forms import fields_changed
from fuzz.scratch import scratch
from fuzz.targets import body
from wire import encode, topics
from wire.receipt import decode_receipt

MAX_BYTES = 4096
UNITS = ("amb-1", "amb-2")
# The byte before each part: which unit, which lane, a whole payload or the body of one row, and that row's kind.
SECOND_UNIT, BULK, PAYLOAD = 1, 2, 4
KIND_SHIFT = 3


def hold(data: bytes) -> None:
    """All parts in one transaction, then all of them again."""
    folder = scratch("intake")
    sent: list[tuple[str, bytes]] = []
    register = Register()

    def send(topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:  # noqa: ARG001
        sent.append((topic, payload))
        return True

    def told(note: list[Heard] | Result | Alarm) -> None:
        for heard in note if isinstance(note, list) else []:
            register.heard(heard)

    with open_store(f"sqlite:///{folder / 'store.db'}", writer=True) as store:
        committer = Committer(Lanes(), lambda: store, send, told)
        live, bulk = _parts(data)
        first = _commit(committer, store, live, bulk)
        assert all(first), "every row with a sound envelope is stored"
        again = _commit(committer, store, live, bulk)
        assert all(outcome & Outcome.DUPLICATE for outcome in again), "and only once"
        assert committer.counters["poison_rows"] == 0
        _check_receipts(sent)
        _check_store(store, sum(bool(outcome & Outcome.STORED) for outcome in first))


def _commit(committer: Committer, store: Store, live: list[Queued], bulk: list[Queued]) -> list[Outcome]:
    group = committer._read(live, bulk)
    outcomes = committer._commit(store, group.arrivals)
    committer._settle(store, group, outcomes, 0.0)
    committer._send_receipts(store, committer._receipts.all())
    return outcomes


def _parts(data: bytes) -> tuple[list[Queued], list[Queued]]:
    lanes: tuple[list[Queued], list[Queued]] = [], []
    for seq, (head, content) in enumerate(_cut(data), 1):
        unit, bulk = UNITS[head & SECOND_UNIT], bool(head & BULK)
        if not head & PAYLOAD:
            row = (seq, 0, head >> KIND_SHIFT, encode.check(content), content)
            content = encode.parcel(77, [row], session=3, boot_id=7, sent_boottime_ms=99_000 + seq)
        topic = topics.bulk(unit) if bulk else topics.up(unit)
        lanes[bulk].append(Queued(topic, content, 0.0))
    return lanes


def _cut(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(head, content) of each part: one byte, two of length, and so many."""
    while len(data) > 3:
        size = int.from_bytes(data[1:3], "big")
        yield data[0], data[3 : 3 + size]
        data = data[3 + size :]


def _check_receipts(sent: list[tuple[str, bytes]]) -> None:
    for topic, payload in sent:
        named = topics.parse_unit_topic(topic)
        assert named is not None
        assert named[0] in UNITS
        decode_receipt(payload)


def _check_store(store: Store, stored: int) -> None:
    log = store.read_log(0, 100_000)
    assert len({entry.row_id for entry in log}) == stored
    for entry in log:
        json.loads(record_message(entry, read_body(entry), {}).payload)
    for account in store.ledger():
        assert account.produced >= 0
    recorded = [entry for unit in UNITS for entry in store.recorded(unit)]
    assert len(recorded) == stored
    rows = {entry.row_id for unit in UNITS for entry in store.rows(unit=unit)}
    assert rows >= {entry.row_id for entry in recorded if not entry.flags & UNDECODED}
    store.rederive()
    store.newest_tracks(0)


def form(data: bytes, random: Random) -> bytes:
    """One part's content changed, as a message."""
    parts = list(_cut(data))
    if not parts:
        raise ValueError("no part")
    at = random.randrange(len(parts))
    parts[at] = parts[at][0], fields_changed(parts[at][1], random)
    return b"".join(_part(*part) for part in parts)


def _part(head: int, content: bytes) -> bytes:
    return bytes([head]) + len(content).to_bytes(2, "big") + content


def seeds() -> Mapping[str, bytes]:
    """A row of every kind, alone and all together; payloads of both lanes."""
    bodies = body.seeds()
    parts = {name: _part(seed[0] << KIND_SHIFT, seed[1:]) for name, seed in bodies.items()}
    rows = [(n, 0, seed[0], encode.check(seed[1:]), seed[1:]) for n, seed in enumerate(bodies.values(), 1)]
    payload = encode.parcel(77, rows[:4], waiting_bytes=100, session=3, boot_id=7, sent_boottime_ms=99_000)
    return {
        **parts,
        "all": b"".join(parts.values()),
        "payloads": _part(PAYLOAD, payload) + _part(PAYLOAD | BULK | SECOND_UNIT, payload),
        "conflict": _part(0, b"a") + _part(PAYLOAD, encode.parcel(77, [(1, 0, 0, encode.check(b"b"), b"b")])),
    }
