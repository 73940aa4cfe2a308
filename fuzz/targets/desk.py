"""Whatever births, bridge states and results come, the bridge's desk goes on, and its presence file can be read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from queue import SimpleQueue
from random import Random

from broker.bridge_state import BridgeState
from broker.calls import Calls
from broker.committer import Alarm, Result
from broker.desk import Desk, DownConnected, Note, Notice, ReaderConnected
from broker.downlink import Downlink
from broker.presence import Heard, read_presence
from fuzz.box import NOW_UTC_MS
from fuzz.forms import fields_changed, json_changed
from fuzz.scratch import scratch
from wire import encode, topics
from wire.inputs import BY, CALL, SOS, SOS_ACKNOWLEDGED, TIMES
from wire.kinds import KIND_REPORTED, KIND_RESULT

MAX_BYTES = 2048
MINE = BridgeState(online=True, session=NOW_UTC_MS, store_id=9)
# The byte before each part, modulo: what it is the payload of.
BIRTH, OWN_STATE, OTHER_STATE, ROW = range(4)
RETAINED = 4
RESULT, REPORTED, ALARM = (ROW | kind << 3 for kind in range(3))  # a row's kind stands above


def hold(data: bytes) -> None:
    """All parts in turn, between a parcel and a connect."""
    folder = scratch("desk")
    path = folder / "presence.json"
    said: list[tuple[str, bytes]] = []

    def send(topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:  # noqa: ARG001
        said.append((topic, payload))
        return True

    with Downlink(folder / "downlink.db") as downlink, Calls(folder / "downlink.db") as calls:
        command = downlink.order("amb-1", "ping", {}, expires_utc_ms=1 << 62)
        desk = Desk(
            MINE, "bridge-1", SimpleQueue[Note](), send=send, publish_state=lambda: None, presence_path=path,
            downlink=downlink, calls=calls, counters=dict,
        )  # fmt: skip
        for note in (ReaderConnected(), DownConnected(), [Heard("amb-2", 3, 77, 10, True, NOW_UTC_MS)], *_notes(data)):
            desk._take_one(note)
            desk._write_down()
        desk._talk_down(0.0)
        desk._write_presence()
        assert desk.counters["faulty_notes"] == 0
        assert read_presence(path)[0] == desk.register.all()
        assert len(downlink.open_commands(0)) <= 1
    for topic, payload in said:
        assert topic == topics.command("amb-1")
        assert json.loads(payload)["id"] == command.id


def _notes(data: bytes) -> Iterator[Note]:
    for head, content in _cut(data):
        retained = bool(head & RETAINED)
        match head % RETAINED:
            case 0:  # BIRTH
                yield Notice(topics.birth("amb-1"), content, retained)
            case 1:  # OWN_STATE
                yield Notice(topics.bridge_state("bridge-1"), content, retained)
            case 2:  # OTHER_STATE
                yield Notice(topics.bridge_state("bridge-2"), content, retained)
            case _ if head >> 3 & 3 == ALARM >> 3:
                yield Alarm(unit="amb-1", body=content)
            case _:
                yield Result(unit="amb-1", kind=KIND_RESULT if head >> 3 & 3 == 0 else KIND_REPORTED, body=content)


def _cut(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(head, content) of each part: one byte, two of length, and so many."""
    while len(data) > 3:
        size = int.from_bytes(data[1:3], "big")
        yield data[0], data[3 : 3 + size]
        data = data[3 + size :]


def form(data: bytes, random: Random) -> bytes:
    """One part's content changed as what it is."""
    parts = list(_cut(data))
    if not parts:
        raise ValueError("no part")
    at = random.randrange(len(parts))
    head, content = parts[at]
    change = fields_changed if head % RETAINED == ROW else json_changed
    parts[at] = head, change(content, random)
    return b"".join(_part(*part) for part in parts)


def _part(head: int, content: bytes) -> bytes:
    return bytes([head]) + len(content).to_bytes(2, "big") + content


def seeds() -> Mapping[str, bytes]:
    """Births and wills, our own state and another's, a result, a report, a call for help and its end."""
    birth = json.dumps({"online": True, "session": 6, "firmware": "0.1.0", "outbox_id": 77}).encode()
    other = BridgeState(online=True, session=1, store_id=8).encode()
    result = encode.result(at=(NOW_UTC_MS, 7, 5), command_id="c0ffee", ok=True, detail="pong")
    at, place = (NOW_UTC_MS, 7, 5), {"lat_e7": -62_000_000, "lon_e7": 1_068_000_000}
    call = {CALL: "c1", TIMES: "2", BY: "Sari"}
    parts = {
        "birth": _part(BIRTH | RETAINED, birth),
        "own-state": _part(OWN_STATE, MINE.encode()),
        "other-state": _part(OTHER_STATE | RETAINED, other),
        "result": _part(RESULT, result),
        "reported": _part(REPORTED, encode.reported(at=at, version=3, json="{}")),
        "sos": _part(ALARM, encode.event(at=at, name=SOS, detail=call, **place)),
        "sos-acknowledged": _part(ALARM, encode.event(at=at, name=SOS_ACKNOWLEDGED, detail=call)),
        "ended": _part(OWN_STATE, b""),
    }
    return {**parts, "all": b"".join(parts.values())}
