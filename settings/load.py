"""Reading a configuration file: nothing is accepted by halves, and every problem is named in one go."""

import math
from dataclasses import MISSING
from pathlib import Path
from typing import Any, TypeVar

from settings.errors import ConfigError, Problem
from settings.schema import Key, item_of, keys_of, tables_of

Schema = TypeVar("Schema")


def load(path: str | Path, schema: type[Schema]) -> Schema:
    """The file at `path` as a `schema`; raises ConfigError with every problem. Relative paths start at the file."""
    file = Path(path)
    return from_document(read_document(file), schema, name=str(file), folder=file.absolute().parent)


def read_document(file: Path) -> dict[str, Any]:
    """The TOML in a file, as it stands; ConfigError when it has none."""
    import tomllib  # here: a box lets it go after its one file (edge/lean.py)

    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: wanted a readable file ({error.strerror})") from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError both are
        raise ConfigError(f"{file}: not TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{file}: nothing here is nested so deep") from error


def from_document(document: dict[str, Any], schema: type[Schema], *, name: str, folder: Path) -> Schema:
    """A parsed TOML document as a `schema`; `name` is how errors call it, `folder` where relative paths start."""
    tables = tables_of(schema)
    problems = [_unknown(table, document[table], list(tables), "table") for table in document if table not in tables]
    values: dict[str, Any] = {}
    for table, keys in tables.items():
        if (item := item_of(keys)) is not None:
            values[table] = _list(table, item, document.get(table, []), folder, problems)
            continue
        written = document.get(table, {})
        if isinstance(written, dict):
            values[table] = _table(table, keys, written, folder, problems)
        else:
            problems.append(Problem(key=table, value=_shown(written), wanted=f"a table, written [{table}]"))
    if problems:
        raise ConfigError(name, problems)
    return schema(**{table: _made(tables[table], value) for table, value in values.items()})


def _made(table: Any, values: Any) -> Any:
    item = item_of(table)
    return table(**values) if item is None else tuple(item(**each) for each in values)


def _list(table: str, item: type, written: object, folder: Path, problems: list[Problem]) -> list[dict[str, Any]]:
    """The values of each table of a list, written `[[table]]`; the first is `table 1` in a problem's key."""
    if not isinstance(written, list) or not all(isinstance(each, dict) for each in written):
        problems.append(Problem(key=table, value=_shown(written), wanted=f"a list of tables, each written [[{table}]]"))
        return []
    return [_table(f"{table} {number}", item, each, folder, problems) for number, each in enumerate(written, 1)]


def _table(table: str, schema: type, written: dict[str, Any], folder: Path, problems: list[Problem]) -> dict[str, Any]:
    keys = keys_of(table, schema)
    known = [key.name for key in keys]
    for name in written:
        if name not in known:
            problems.append(_unknown(f"{table}.{name}", written[name], [f"{table}.{known}" for known in known], "key"))
    values: dict[str, Any] = {}
    for key in keys:
        if key.name not in written:
            if key.default is MISSING:
                problems.append(Problem(key=key.path, value=None, wanted=f"{key.wanted} – {key.setting.text}"))
            continue
        try:
            values[key.name] = _value(key, written[key.name], folder)
        except ValueError as error:
            problems.append(Problem(key=key.path, value=_shown(written[key.name]), wanted=f"must be {error}"))
    return values


def _value(key: Key, written: Any, folder: Path) -> Any:
    """The value as its type; raises ValueError with the words for what would be right."""
    what = key.setting
    if what.convert is not None:
        try:
            return what.convert(written)
        except (ValueError, TypeError) as error:
            raise ValueError(key.wanted) from error
    value = _typed(key, written, folder)
    if what.one_of and value not in what.one_of:
        raise ValueError(key.wanted)
    if isinstance(value, int | float) and not isinstance(value, bool) and not _within(key, value):
        raise ValueError(key.wanted)
    if what.check is not None and (wrong := what.check(value)) is not None:
        raise ValueError(f"{key.wanted}; {wrong}")
    return value


def _typed(key: Key, written: Any, folder: Path) -> Any:
    if key.type is Path and isinstance(written, str) and written and "\0" not in written:
        return folder / written
    if key.type is float and isinstance(written, int) and not isinstance(written, bool) and abs(written) < 1 << 53:
        return float(written)
    if key.type is tuple and isinstance(written, list) and all(isinstance(item, str) for item in written):
        return tuple(written)
    if type(written) is not key.type:
        raise ValueError(key.wanted)
    return written


def _within(key: Key, value: float) -> bool:
    low, high = key.setting.at_least, key.setting.at_most
    return math.isfinite(value) and (low is None or value >= low) and (high is None or value <= high)


def _unknown(name: str, value: object, known: list[str], what: str) -> Problem:
    from difflib import get_close_matches  # only a file with a mistake in it pays for this import

    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the {what}s are {', '.join(known)}"
    return Problem(key=name, value=_shown(value), wanted=f"not a {what} of this file; {hint}")


def _shown(value: object) -> str:
    """A value for a message, no longer than a line."""
    try:
        shown = repr(value).lower() if isinstance(value, bool) else repr(value)
    except ValueError:  # Python writes no number of more than 4300 digits, and TOML may have one
        shown = "a number beyond reason"
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
