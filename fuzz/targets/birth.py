"""A birth or will sets a unit's presence, which the file that `pantau watch` reads can hold; or it is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping

from broker.presence import Heard, Register, parse_birth, read_presence, write_presence
from fuzz.box import NOW_UTC_MS
from fuzz.forms import json_changed
from fuzz.scratch import scratch
from wire.errors import PeerViolation

MAX_BYTES = 2100  # a little more than a birth may have
form = json_changed


def hold(data: bytes) -> None:
    """The birth of a unit that is not known, and of one that is online under session 5."""
    try:
        birth = parse_birth(data)
    except PeerViolation:
        return
    path = scratch("birth") / "presence.json"
    register = Register()
    register.heard(Heard("amb-2", 5, 77, 0, False, NOW_UTC_MS))
    assert register.born("amb-1", birth, NOW_UTC_MS)
    counted = register.born("amb-2", birth, NOW_UTC_MS)
    assert counted == (birth.session >= 5 or (birth.online and birth.outbox_id not in (None, 77)))
    write_presence(path, register.all(), {"rows": 1}, NOW_UTC_MS)
    assert read_presence(path) == (register.all(), {"rows": 1})
    again = Register(read_presence(path)[0])
    again.heard(Heard("amb-1", 6, 77, 0, False, NOW_UTC_MS))
    assert again.all()


def seeds() -> Mapping[str, bytes]:
    """Births as boxes say them, and a few that none says."""

    def said(**more: object) -> bytes:
        return json.dumps({"online": True, "session": 6, "firmware": "0.1.0", "outbox_id": 77, **more}).encode()

    return {
        "online": said(),
        "will": said(online=False, session=5),
        "new-card": said(session=1, outbox_id=4_000_000_000),
        "bare": b'{"online":true,"session":0}',
        "other-types": said(session=True, firmware=["x"], outbox_id=-1),
        "far": said(session=(1 << 63) - 1, firmware="é\u2028" * 40),
    }
