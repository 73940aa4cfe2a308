"""A presence file of any content is read or begun anew, and the bridge goes on from it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from broker.presence import Birth, Heard, Register, read_presence, write_presence
from fuzz.box import NOW_UTC_MS
from fuzz.forms import json_changed
from fuzz.scratch import scratch

MAX_BYTES = 2048
form = json_changed


def hold(data: bytes) -> None:
    """The start of a bridge beside that file, and one of everything that happens then."""
    path = scratch("presence") / "presence.json"
    path.write_bytes(data)
    known, counters = read_presence(path)
    register = Register(known)
    for unit in ("amb-1", "amb-2"):
        register.heard(Heard(unit, 6, 77, 100, True, NOW_UTC_MS))
        register.born(unit, Birth(online=True, session=7, outbox_id=77, firmware="0.2"), NOW_UTC_MS)
    write_presence(path, register.all(), counters, NOW_UTC_MS)
    assert read_presence(path) == (register.all(), counters)


def seeds() -> Mapping[str, bytes]:
    """What a bridge writes."""
    path = scratch("presence") / "presence.json"
    register = Register()
    register.heard(Heard("amb-1", 5, 77, 0, False, NOW_UTC_MS))
    register.born("amb-1", Birth(online=False, session=5, outbox_id=None, firmware=None), NOW_UTC_MS)
    write_presence(path, register.all(), {"rows": 1, "malformed: birth is no JSON": 2}, NOW_UTC_MS)
    older = json.dumps({"units": [{"unit": "amb-1", "online": True}], "bridge": {}}).encode()
    return {"written": path.read_bytes(), "older": older, "none": b""}
