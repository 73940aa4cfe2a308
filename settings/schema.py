"""A setting as data: type, unit, range, default with its reason, help, and the words that say what would be right."""

from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

Check = Callable[[Any], str | None]
Convert = Callable[[object], Any]

_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text in quotes",
    Path: "a path in quotes",
    tuple: "a list of texts in quotes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the loader and the documentation know about one key."""

    text: str
    unit: str
    at_least: float | None
    at_most: float | None
    one_of: tuple[object, ...]
    reason: str
    check: Check | None
    convert: Convert | None
    wanted: str


def setting(
    text: str,
    *,
    unit: str = "",
    at_least: float | None = None,
    at_most: float | None = None,
    one_of: tuple[object, ...] = (),
    default: Any = MISSING,
    reason: str = "",
    check: Check | None = None,
    convert: Convert | None = None,
    wanted: str = "",
) -> Any:
    """A dataclass field that is one key of a table; without `default` the key must be given.

    `check(value)` returns None or what is wrong; `convert(toml value)` replaces the type check and raises ValueError
    when it cannot; `wanted` overrides the words made from type, range and unit. A default needs its `reason`.
    """
    if default is not MISSING and not reason:
        raise TypeError(f"a default needs its reason ({text})")
    what = Setting(
        text=text, unit=unit, at_least=at_least, at_most=at_most, one_of=one_of, reason=reason,
        check=check, convert=convert, wanted=wanted,
    )  # fmt: skip
    return field(default=default, metadata={"setting": what}, kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a schema with its place: `table`, `name`, Python type, default (MISSING = must be given)."""

    table: str
    name: str
    type: type
    optional: bool
    default: Any
    setting: Setting

    @property
    def path(self) -> str:
        """The key as a person writes about it, e.g. `report.interval_s`."""
        return f"{self.table}.{self.name}"

    @property
    def wanted(self) -> str:
        """What would be right, in words, with the unit: `a number from 1 to 3600 s`."""
        what = self.setting
        if what.wanted:
            return what.wanted
        if what.one_of:
            return "one of " + ", ".join(repr(choice) for choice in what.one_of)
        bounds = {
            (False, False): "",
            (True, False): f" of {what.at_least} or more",
            (False, True): f" of {what.at_most} or less",
            (True, True): f" from {what.at_least} to {what.at_most}",
        }[what.at_least is not None, what.at_most is not None]
        unit = f" {what.unit}" if bounds and what.unit else f" in {what.unit}" if what.unit else ""
        return f"{_KINDS.get(self.type, 'a value')}{bounds}{unit}"


def keys_of(table: str, schema: type) -> list[Key]:
    """The keys of one table's dataclass, in the order they are written."""
    hints = get_type_hints(schema)  # annotations may be text (from __future__ import annotations)
    return [_key(table, place, hints[place.name]) for place in fields(schema)]


def tables_of(schema: type) -> dict[str, type]:
    """The tables of a schema: name → dataclass of its keys, or `tuple[Item, ...]` for a list of tables."""
    hints = get_type_hints(schema)
    return {place.name: hints[place.name] for place in fields(schema)}


def item_of(table: Any) -> type | None:
    """The dataclass of one item where `table` is a list of tables, `tuple[Item, ...]`; None for a plain table."""
    item: Any = next(iter(get_args(table)), None) if get_origin(table) is tuple else None
    return item if isinstance(item, type) and is_dataclass(item) else None


def _key(table: str, place: "Field[Any]", annotation: Any) -> Key:
    plain, optional = _plain_type(annotation)
    return Key(
        table=table, name=place.name, type=plain, optional=optional, default=place.default,
        setting=place.metadata["setting"],
    )  # fmt: skip


def _plain_type(annotation: Any) -> tuple[type, bool]:
    if isinstance(annotation, UnionType):
        choices = [choice for choice in get_args(annotation) if choice is not NoneType]
        return _plain_type(choices[0])[0], True
    return getattr(annotation, "__origin__", annotation), False
