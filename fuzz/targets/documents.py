"""What a worn card makes of a box's documents: it starts, with what makes sense of them, and remembers again."""

from __future__ import annotations

from collections.abc import Mapping

from edge import starting
from edge.budget import Budget, Plan, Spent
from edge.clock import BUILT_UTC_MS, YEARS_20_MS, Clock
from edge.commands import Commands
from edge.gps_unit import wiring
from edge.gps_unit.inputs import Meter
from edge.gps_unit.receiver import Line, Scan, _settings, lines_to_try
from edge.gps_unit.sos import Sos
from edge.memory import Memory
from edge.today import Today, Traffic
from edge.wiring import CommandIds
from fuzz.box import StillClock
from fuzz.forms import json_changed, lines_changed
from fuzz.images import DOCUMENTS, damaged, documents_image, write_documents
from fuzz.scratch import scratch
from wire.records_pb2 import Sim

MAX_BYTES = 1024
form = lines_changed(json_changed)
PATCHED = 1  # a first byte: what follows damages the bytes of a sound file
BETWEEN = b"\n"  # documents, in the table that Memory keeps


def hold(data: bytes) -> None:
    """Documents' bodies as they may lie in the file, or patches of a sound file; then all that a start recalls."""
    path = scratch("documents") / "documents.db"
    if data[:1] == bytes([PATCHED]):
        damaged(path, documents_image(), data[1:])
    else:
        write_documents(path, data.split(BETWEEN))
    memory = Memory(path)
    clock = wiring_clock(memory)
    assert BUILT_UTC_MS <= clock.floor_utc_ms <= BUILT_UTC_MS + YEARS_20_MS
    _check_line(wiring.remembered_line(memory.recall("line", None)))
    assert starting.begun(clock.boot_id, memory)["reason"] in ("power_on", "restart", "killed")
    assert Meter.restored(memory.recall("meter", None)).engine_until(0.0) >= 0
    if (call := Sos(memory.recall("sos", None)).call) is not None:
        assert call.id.isprintable() and (call.by or "").isprintable(), "no record can carry half a character"
    today = Today(clock, memory).count(Traffic(1, 2, 3))
    assert all(0 <= number < 1 << 63 for number in today), today
    budget = Budget(Plan(1_000_000), clock, memory)
    budget.count(Spent(live=5))
    assert Sim.FromString(budget.body()).live_bytes >= 5
    commands = Commands(clock, CommandIds(memory))
    commands.carry_out(b'{"id":"c0ffee","verb":"ping","expires_utc_ms":9999999999999}')
    session = memory.count_up("session")
    assert 0 < session < 1 << 32, "it goes on the air as a uint32"
    after = Memory(path)
    assert after.recall("last_boot", None) == [clock.boot_id, "running"], "what is remembered is there again"
    assert after.count_up("session") > session
    assert "c0ffee" in CommandIds(after).load()


def wiring_clock(memory: Memory) -> Clock:
    """A clock on the floor that is remembered, as edge/gps_unit/__main__ makes it."""
    return StillClock(memory.recall("floor_utc_ms", 0))


def _check_line(line: Line | None) -> None:
    """A remembered line is one that the port can be set to."""
    scan = Scan(lines_to_try(0, line), lambda: 0.0)
    settings = _settings(scan.line)
    assert settings["bytesize"] in (5, 6, 7, 8)
    assert settings["parity"] in ("N", "E", "O", "M", "S")
    assert settings["stopbits"] in (1, 2)


def seeds() -> Mapping[str, bytes]:
    """What a box remembers."""
    return {
        "all": BETWEEN.join(DOCUMENTS),
        "sound-file": bytes([PATCHED]),
        "damaged-file": bytes([PATCHED]) + b"\x00\x00\x64\xff\x00\x08\x70\x00",
        "session": b'{"name": "session", "value": 5}',
        "line": b'{"name": "line", "value": [4800, "7E1"]}',
        "today": b'{"name": "today", "value": [null, [0, 0, 0], 7, [5, 5, 5]]}',
        "budget": b'{"name": "budget", "value": [[[20758, [1, 2, 3, 4, 5]]], [0, 0, 0, 0, 0], [], 1, null, true]}',
        "floor": b'{"name": "floor_utc_ms", "value": 1}',
        "commands": b'{"name": "command_ids", "value": ["c"]}',
        "no-text": b'{"name": "session", "value": "\xff"}',
        "boot": b'{"name": "last_boot", "value": [7, "running"]}',
    }
