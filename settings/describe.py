"""A schema as Markdown tables, so that the documentation cannot forget a key."""

from dataclasses import MISSING
from pathlib import Path

from settings.schema import Key, item_of, keys_of, tables_of


def describe(schema: type) -> str:
    """Markdown for every table of `schema`: key, what is right, default and why, help."""
    return "\n\n".join(_table(name, table) for name, table in tables_of(schema).items())


def _table(name: str, schema: type) -> str:
    item = item_of(schema)
    title, schema = (f"[{name}]", schema) if item is None else (f"[[{name}]]", item)
    head = [f"### {title}", "", (schema.__doc__ or "").strip(), ""]
    rows = ["| key | what it is | value | default and why |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, *(_row(key) for key in keys_of(name, schema))])


def _row(key: Key) -> str:
    default = "must be given" if key.default is MISSING else f"{_written(key.default)}: {key.setting.reason}"
    return f"| `{key.name}` | {key.setting.text} | {key.wanted} | {default} |"


def _written(value: object) -> str:
    """A default the way it is written in the file."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str | Path):
        return f'`"{value}"`'
    if isinstance(value, tuple):
        return f"`{list(value)}`"
    return f"`{value}`"
