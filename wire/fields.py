"""The Protocol Buffers encoding itself: fields as bytes, and bytes as fields. Portable.

Canonical proto3: a field that has its default is not sent (the caller asks for it with `present`), fields go in order
of their numbers. Source: protobuf.dev/programming-guides/encoding.
"""

from wire.errors import PeerViolation

VARINT = 0
FIXED64 = 1
BYTES = 2
FIXED32 = 5

_MAX_UINT64 = (1 << 64) - 1
_MAX_VARINT_BYTES = 10


def varint(number: int) -> bytes:
    """`number` (0 .. 2**64 - 1) as a base-128 varint; ValueError outside."""
    if 0 <= number < 128:
        return bytes((number,))
    out = bytearray()
    _append_varint(out, number)
    return bytes(out)


def zigzag(number: int) -> int:
    """A signed 64-bit number folded so that small magnitudes stay small: 0, -1, 1, -2 become 0, 1, 2, 3."""
    return number << 1 if number >= 0 else ~(number << 1)


def unsigned(field: int, number: int, present: bool = False) -> bytes:
    """A uint32, uint64, enum or bool field; nothing for 0 unless `present`."""
    if not number and not present:
        return b""
    return varint(field << 3 | VARINT) + varint(number)


def signed(field: int, number: int, present: bool = False) -> bytes:
    """An sint32 or sint64 field."""
    return unsigned(field, zigzag(number), present)


def fixed32(field: int, number: int) -> bytes:
    """A fixed32 field; nothing for 0."""
    return varint(field << 3 | FIXED32) + number.to_bytes(4, "little") if number else b""


def fixed64(field: int, number: int) -> bytes:
    """A fixed64 field; nothing for 0."""
    return varint(field << 3 | FIXED64) + number.to_bytes(8, "little") if number else b""


def octets(field: int, value: bytes, present: bool = False) -> bytes:
    """A bytes or message field; nothing when empty unless `present` (a message that is there but empty)."""
    if not value and not present:
        return b""
    return varint(field << 3 | BYTES) + varint(len(value)) + value


def text(field: int, value: str, present: bool = False) -> bytes:
    """A string field."""
    return octets(field, value.encode(), present)


def packed_unsigned(field: int, numbers: list[int]) -> bytes:
    """A packed repeated uint field."""
    out = bytearray()
    for number in numbers:
        _append_varint(out, number)
    return octets(field, bytes(out))


def packed_signed(field: int, numbers: list[int]) -> bytes:
    """A packed repeated sint field."""
    out = bytearray()
    for number in numbers:
        _append_varint(out, number << 1 if number >= 0 else ~(number << 1))
    return octets(field, bytes(out))


def _append_varint(out: bytearray, number: int) -> None:
    if not 0 <= number <= _MAX_UINT64:
        raise ValueError(f"not a 64-bit number: {number}")
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The varint at offset `at`, cut to 64 bits as the official library does, and the offset behind it."""
    number = 0
    for index in range(_MAX_VARINT_BYTES):
        if at + index >= len(data):
            raise PeerViolation("varint cut off")
        byte = data[at + index]
        number |= (byte & 127) << 7 * index
        if byte < 128:
            return number & _MAX_UINT64, at + index + 1
    raise PeerViolation("varint longer than 10 bytes")


def read_fields(data: bytes) -> list[tuple[int, int, "int | bytes"]]:
    """Every (field number, wire type, value) of a message, in the order they stand; unknown ones included."""
    out: list[tuple[int, int, int | bytes]] = []
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        field, wire_type = key >> 3, key & 7
        if not 0 < field < 1 << 29:
            raise PeerViolation("field number out of range")
        value, at = _read_value(data, at, wire_type)
        out.append((field, wire_type, value))
    return out


def _read_value(data: bytes, at: int, wire_type: int) -> "tuple[int | bytes, int]":
    if wire_type == VARINT:
        return read_varint(data, at)
    if wire_type == BYTES:
        size, at = read_varint(data, at)
    elif wire_type == FIXED32:
        size = 4
    elif wire_type == FIXED64:
        size = 8
    else:
        raise PeerViolation("unknown wire type")
    end = at + size
    if end > len(data):
        raise PeerViolation("field cut off")
    value = data[at:end]
    return (value if wire_type == BYTES else int.from_bytes(value, "little")), end


def read_packed(data: bytes) -> list[int]:
    """The varints of a packed field."""
    out = []
    at = 0
    while at < len(data):
        number, at = read_varint(data, at)
        out.append(number)
    return out
