"""Changes that keep an input's form: JSON and protobuf are parsed in C, where no coverage leads bytes in.

Each takes an input and a random source and gives another input; ValueError when the input is not of the form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from wire import fields
from wire.errors import PeerViolation

Mutation = Callable[[bytes, Random], bytes]

NUMBERS: Final = (0, 1, 2, 127, 128, 255, 4096, 1 << 31, (1 << 32) - 1, 1 << 53, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
TEXTS: Final = ("", "\ud800", "\0", "é", "\u2028", "x" * 300, "0", "1795000000000", "NaN", "8N1", "unassigned")
# Of NMEA 0183: claims, times, positions, dates, figures; and what none is.
FIELDS: Final = (
    b"A V N E S W M D 0 1 6 9 -1 00 . 999999.9 99.99 0.0000001 1e9 235960.999 000000 0000.0000 00000.0000 0000.000001 "
    b"8960.0000 17959.9999 010170 311299 060180 31 9999 2026 1970 1 99999999999"
).split(b" ")
# Of assignments: names, instants.
CELLS: Final = (
    b'z|ambulance-1|unassigned-a|bridge-1|-| |"|"""|\r|\0|20261123|2026-W01-1|2026-11-23T12:00:00Z|0001-01-01|'
    b"9999-12-31|2026-11-23T12:00:00.0005Z|0001-01-01T00:00:00+23:59|9999-12-31T23:59:59.999999-23:59"
).split(b"|")
# Of TOML: every type, texts that break a line or a path, numbers and lists beyond reason.
SETTINGS: Final = (
    *b'0|-1|1.5|nan|inf|true|[]|[1]|{}|[[]]|1e400|0o7|07:32:00|1979-05-27|1979-05-27T07:32:00Z|"none"|"/"'.split(b"|"),
    *rb'""|"a\u0000b"|"a\nb"|"a b"|"city-"|"bridge-"|"bridge-x y"|"sqlite:///\u0000"|"../x"'.split(b"|"),
    *b'[{name = 5, agencies = []}]|[{name = "city-a", agencies = [1]}]|[{name = [], agencies = "*"}]'.split(b"|"),
    *(b"0x" + b"f" * 4000, b"[" * 2000, b"9" * 4000, b'"' + b"x" * 300 + b'"'),
)
_LITTLE: Final = 0.3  # the share of numbers that only move a little


def json_changed(data: bytes, random: Random) -> bytes:
    """A JSON document with one value changed, added or left out."""
    try:
        document = json.loads(data)
    except RecursionError as error:
        raise ValueError("too deep") from error
    return json.dumps(_changed(document, random), ensure_ascii=random.random() < 0.9).encode("utf-8", "surrogatepass")


def lines_changed(change: Mutation) -> Mutation:
    """One line of several."""

    def changed(data: bytes, random: Random) -> bytes:
        lines = data.split(b"\n")
        at = random.randrange(len(lines))
        lines[at] = change(lines[at], random)
        if random.random() < 0.1:
            lines.insert(at, random.choice(lines))
        return b"\n".join(lines)

    return changed


def parts_changed(separator: bytes, words: Sequence[bytes]) -> Mutation:
    """One of the parts that a separator leaves: a word in its place, another part, or nothing; of a line, a cell."""

    def changed(data: bytes, random: Random) -> bytes:
        parts = data.split(separator)
        if len(parts) < 2:
            raise ValueError("one part only")
        at = random.randrange(len(parts))
        parts[at] = random.choice((random.choice(words), random.choice(parts), b"", parts[at] + random.choice(words)))
        if random.random() < 0.05:
            parts.pop(at)
        return separator.join(parts)

    return changed


def behind(head_bytes: int, change: Mutation) -> Mutation:
    """What stands behind the first bytes, which choose what it is."""

    def changed(data: bytes, random: Random) -> bytes:
        return data[:head_bytes] + change(data[head_bytes:], random)

    return changed


def either(*changes: Mutation) -> Mutation:
    """The first of these, in any order, whose form it is."""

    def changed(data: bytes, random: Random) -> bytes:
        for change in random.sample(changes, len(changes)):
            try:
                return change(data, random)
            except ValueError:
                continue
        raise ValueError("none of the forms")

    return changed


def fields_changed(data: bytes, random: Random) -> bytes:
    """A protobuf message with one field changed, doubled, moved or left out, at any depth."""
    try:
        found = fields.read_fields(data)
    except PeerViolation as error:
        raise ValueError("no message") from error
    if not found:
        return fields.unsigned(random.randrange(1, 17), random.choice(NUMBERS), True)
    at = random.randrange(len(found))
    match random.randrange(10):
        case 0:
            found.pop(at)
        case 1:
            found.insert(at, random.choice(found))
        case 2:
            found.append(found.pop(at))
        case 3:
            found[at] = (random.randrange(1, 17), *found[at][1:])
        case _:
            found[at] = _field_changed(found[at], random)
    return b"".join(_field(*each) for each in found)


def _field_changed(field: tuple[int, int, int | bytes], random: Random) -> tuple[int, int, int | bytes]:
    number, wire_type, value = field
    if isinstance(value, bytes):
        return number, wire_type, _octets_changed(value, random)
    bits = {fields.FIXED32: 32}.get(wire_type, 64)
    return number, wire_type, _number_changed(value, random) & (1 << bits) - 1


def _octets_changed(value: bytes, random: Random) -> bytes:
    """As a message, as packed numbers, or as letters."""
    if random.random() < 0.5:
        try:
            return fields_changed(value, random)
        except ValueError:
            pass
    if random.random() < 0.7:
        try:
            numbers = fields.read_packed(value)
        except PeerViolation:
            numbers = []
        if numbers:
            at = random.randrange(len(numbers))
            numbers[at] = _number_changed(numbers[at], random) & (1 << 64) - 1
            if random.random() < 0.2:
                numbers.insert(at, random.choice(numbers))
            return b"".join(map(fields.varint, numbers))
    return random.choice(TEXTS).encode("utf-8", "surrogatepass")


def _number_changed(value: int, random: Random) -> int:
    return max(0, value + random.randrange(-3, 4)) if random.random() < _LITTLE else random.choice(NUMBERS)


def _field(number: int, wire_type: int, value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return fields.octets(number, value, True)
    if wire_type == fields.VARINT:
        return fields.unsigned(number, value, True)
    size = 4 if wire_type == fields.FIXED32 else 8
    return fields.varint(number << 3 | wire_type) + value.to_bytes(size, "little")


def _changed(value: Any, random: Random) -> Any:
    """The value, or one inside of it, made another."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(list(value))
        if random.random() < 0.15:
            return {name: one for name, one in value.items() if name != key}
        return {**value, key: _changed(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.85:
        at = random.randrange(len(value))
        if random.random() < 0.15:
            return [*value[:at], *value[at + 1 :]]
        if random.random() < 0.1:
            return [*value, random.choice(value)]
        return [*value[:at], _changed(value[at], random), *value[at + 1 :]]
    if type(value) is int and random.random() < _LITTLE:
        return value + random.randrange(-3, 4)
    if isinstance(value, str) and random.random() < 0.5:
        return random.choice((value + random.choice(TEXTS), value[:-1], value * 2))
    return _another(random)


def _another(random: Random) -> Any:
    number = random.choice(NUMBERS)
    numbers = (number, -number, number / 2, float("inf"), float("nan"), 10**400)
    return random.choice((None, True, False, *numbers, [], {}, [number], {"a": number}, *TEXTS))
