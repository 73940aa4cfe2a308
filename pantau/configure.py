"""`pantau configure`: what is wanted of a unit's configuration, and what became of it."""

import getpass
import json
import sys
import tomllib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Exit, Option

from pantau.command import CentreConfigFile
from pantau.store import AsJson

if TYPE_CHECKING:
    from broker.downlink import Downlink

LAST_ASKED = 10


def configure(
    unit: Annotated[str, Argument(help="The unit.")],
    config: CentreConfigFile,
    changes: Annotated[
        list[str] | None,
        Argument(metavar="KEY=VALUE", help="As report.interval_s=5; KEY= gives it back to the file."),
    ] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Check and show it, and change nothing.")] = False,
    show: Annotated[bool, Option("--show", help="What is wanted, what the unit reported, who asked for what.")] = False,
    as_json: AsJson = False,
) -> None:
    """Want another configuration of a unit. It tries it, and goes back by itself when that cuts it off.

    What may be set is in docs/remote.md. Who wanted what and when is kept.
    """
    from broker.config import load_centre
    from broker.downlink import Downlink
    from wire.topics import valid_unit

    if not valid_unit(unit):
        _refuse(f"{unit!r} is no unit's name")
    if show == bool(changes):
        _refuse("give either KEY=VALUE or --show")
    with Downlink(load_centre(config).downlink_path) as downlink:
        if show:
            _show(downlink, unit, as_json=as_json)
            return
        wanted = dict(_change(each) for each in changes or [])
        present = downlink.desired(unit)
        document = _changed(present.document if present else {}, wanted)
        _check(document)
        version = (present.version if present else 0) + 1
        if not dry_run:
            made = downlink.change(unit, lambda now: _changed(now, wanted), who=getpass.getuser())
            version, document = made.version, made.document
    said = {"unit": unit, "version": version, "desired": document, "dry_run": dry_run}
    print(json.dumps(said) if as_json else f"{'would want' if dry_run else 'wanted'} {version}: {json.dumps(document)}")


def _refuse(why: str) -> None:
    print(f"pantau configure: {why}", file=sys.stderr)
    raise Exit(2)


def _change(written: str) -> tuple[tuple[str, str], Any]:
    """Table, key and value of `report.interval_s=5`; a value that is no TOML is a text, an empty one is None."""
    path, sign, value = written.partition("=")
    table, dot, key = path.partition(".")
    if not (sign and dot and table and key):
        _refuse(f"{written!r}: wanted TABLE.KEY=VALUE")
    if not value:
        return (table, key), None
    try:
        return (table, key), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return (table, key), value


def _changed(document: dict[str, Any], wanted: dict[tuple[str, str], Any]) -> dict[str, Any]:
    made = {table: dict(keys) for table, keys in document.items()}
    for (table, key), value in wanted.items():
        made.setdefault(table, {})[key] = value
    return {table: left for table, keys in made.items() if (left := {k: v for k, v in keys.items() if v is not None})}


def _check(document: dict[str, Any]) -> None:
    from edge.desired import problems_in

    if problems := problems_in(document):
        for problem in problems:
            print(f"pantau configure: {problem}", file=sys.stderr)
        raise Exit(2)


def _show(downlink: "Downlink", unit: str, *, as_json: bool) -> None:
    desired, report, asked = downlink.desired(unit), downlink.report(unit), downlink.asked(unit, LAST_ASKED)
    told: dict[str, Any] = {}
    if report is not None:
        try:
            told = dict(json.loads(report.told))
        except (ValueError, TypeError):
            told = {"state": "not readable", "error": "", "running": None}
    found = {
        "unit": unit,
        "desired": desired and {"version": desired.version, "document": desired.document},
        "reported": report and {"version": report.version, "stored_utc": _utc(report.utc_ms), **told},
        "in_step": bool(desired and report and report.version == desired.version and told.get("state") == "applied"),
        "asked": [
            {"utc": _utc(each.utc_ms), "who": each.who, "what": each.what, "told": json.loads(each.told)}
            for each in asked
        ],
    }
    if as_json:
        print(json.dumps(found, indent=2))
        return
    from rich.table import Table

    from pantau.tables import print_table

    table = Table(box=None, header_style="bold")
    for column in ("", "version", "state", "configuration"):
        table.add_column(column, overflow="fold")
    if desired is not None:
        table.add_row("desired", str(desired.version), "", json.dumps(desired.document))
    if report is not None:
        state = f"{told.get('state')} {told.get('error')}".strip()
        table.add_row("reported", str(report.version), state, json.dumps(told.get("running")))
    for each in asked:
        table.add_row("asked", "", f"{_utc(each.utc_ms)} {each.who} {each.what}", each.told)
    print_table(table)


def _utc(utc_ms: int) -> str:
    return datetime.fromtimestamp(utc_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
