"""Reading a receipt on the unit. Portable; the centre writes it with the official library (decode.py)."""

from wire.errors import PeerViolation
from wire.fields import FIXED32, VARINT, read_fields, read_packed
from wire.ranges import MAX_RANGES, MAX_SEQ, Ranges

_MAX_REFUSED = 10_000  # more than a parcel can hold


class Receipt:
    """What the store has committed of one outbox, and what else it says; `bulk_after_ms` None = no number drawn."""

    __slots__ = (
        "bulk_after_ms",
        "checks",
        "high_seq",
        "new_outbox",
        "outbox_id",
        "ranges",
        "refused",
        "store_id",
        "utc_ms",
    )

    def __init__(self) -> None:
        self.outbox_id = 0
        self.ranges = Ranges()
        self.checks: list[int] = []
        self.utc_ms = 0
        self.store_id = 0
        self.bulk_after_ms: int | None = None
        self.new_outbox = False
        self.high_seq = 0
        self.refused: list[int] = []


def decode_receipt(payload: bytes) -> Receipt:
    """The receipt in a payload; PeerViolation when it is none. Fields of a newer contract are passed over."""
    out = Receipt()
    packed: list[int] = []
    for field, wire_type, value in read_fields(payload):
        _take(out, packed, field, wire_type, value)
    out.ranges = Ranges.unpack(packed)
    _judge(out)
    return out


def _take(out: Receipt, packed: list[int], field: int, wire_type: int, value: "int | bytes") -> None:
    if isinstance(value, bytes):
        if field == 2:
            _extend(packed, read_packed(value), 2 * MAX_RANGES)
        elif field == 3:
            _extend(out.checks, _fixed32s(value), MAX_RANGES)
        elif field == 9:
            _extend(out.refused, read_packed(value), _MAX_REFUSED)
    elif wire_type == FIXED32:
        if field == 1:
            out.outbox_id = value
        elif field == 3:
            _extend(out.checks, [value], MAX_RANGES)
        elif field == 5:
            out.store_id = value
    elif wire_type == VARINT:
        if field == 2:
            _extend(packed, [value], 2 * MAX_RANGES)
        elif field == 4:
            out.utc_ms = value
        elif field == 6:
            out.bulk_after_ms = value & 0xFFFFFFFF
        elif field == 7:
            out.new_outbox = value != 0
        elif field == 8:
            out.high_seq = value
        elif field == 9:
            _extend(out.refused, [value], _MAX_REFUSED)


def _judge(out: Receipt) -> None:
    """What a receipt must hold before anything is deleted by it."""
    if not out.outbox_id:
        raise PeerViolation("receipt without outbox_id")
    if len(out.checks) != len(out.ranges):
        raise PeerViolation("receipt: a check for each range")
    if out.high_seq > MAX_SEQ or not all(1 <= seq <= MAX_SEQ for seq in out.refused):
        raise PeerViolation("receipt: seq beyond 2**63")


def _extend(numbers: list[int], more: list[int], limit: int) -> None:
    numbers.extend(more)
    if len(numbers) > limit:
        raise PeerViolation("receipt: too many numbers")


def _fixed32s(value: bytes) -> list[int]:
    if len(value) % 4:
        raise PeerViolation("receipt: checks cut off")
    return [int.from_bytes(value[at : at + 4], "little") for at in range(0, len(value), 4)]
