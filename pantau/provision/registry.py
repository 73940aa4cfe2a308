"""The office's verbs: boxes, what they serve, spreadsheets, and handing the assignments to the centre."""

import getpass
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, BadParameter, Option

from pantau.plain import plain
from pantau.store import AsJson, StoreUrl, instant, opened
from provisioning.registry import Registry
from provisioning.tables import COLUMNS, as_csv, read_table, rows_of, take_table
from provisioning.values import Asset, RegistryError, Sim, Unit, as_document
from provisioning.words import _
from settings.instants import utc_text

RegistryPath = Annotated[
    Path, Option("--registry", envvar="PANTAU_REGISTRY", help="The registry's file; the first entry makes it.")
]
DEFAULT = Path("/var/lib/pantau/registry.db")
When = Annotated[str | None, Option("--at", metavar="T", help="2026-11-23T06:00:00Z; now when it is not given.")]


WAITS_S = 60.0  # a spreadsheet of some thousand rows is one transaction


@contextmanager
def office(path: Path, *, begin: bool = False, wait_s: float = WAITS_S) -> Iterator[Registry]:
    """The registry, with the name of who is typing; one clear line when it cannot be opened.

    `begin`: for verbs that add to it; all others need it to be there.
    """
    who = os.environ.get("SUDO_USER") or getpass.getuser()
    try:
        registry = Registry(path, who=who, begin=begin, wait_s=wait_s)
    except RegistryError:
        raise
    except Exception as error:
        raise RegistryError(_("registry {path}: {why}").format(path=path, why=error)) from error
    with registry:
        yield registry


def unit(
    name: Annotated[str, Argument(help="Name of the box: lower case letters, digits and -.")],
    kind: Annotated[str | None, Option(help="gps_unit (when nothing is said) or camera_node.")] = None,
    iccid: Annotated[str | None, Option(help="Number of its SIM, as printed on it; empty: it has none.")] = None,
    note: Annotated[str | None, Option(help="Anything worth knowing.")] = None,
    path: RegistryPath = DEFAULT,
) -> None:
    """Add a box, or change what is known of it; what is not said stays as it is."""
    said: dict[str, Any] = {
        key: value for key, value in {"kind": kind, "iccid": iccid, "note": note}.items() if value is not None
    }
    with office(path, begin=True) as registry, registry.together():
        before = registry.unit(name) or Unit(unit=name)
        _say(registry.put_unit(replace(before, **said)), _("unit {name}").format(name=name))


def sim(
    iccid: Annotated[str, Argument(help="Its number, as printed on it.")],
    operator: Annotated[str | None, Option(help="Whose network it is of.")] = None,
    plan_mb: Annotated[int | None, Option("--plan-mb", help="What its plan allows a month, MB.")] = None,
    apn: Annotated[str | None, Option(help="The access point it dials; empty: the operator's own.")] = None,
    unit: Annotated[str | None, Option(help="The box it is in from now on; it comes out of any other.")] = None,
    path: RegistryPath = DEFAULT,
) -> None:
    """Add a SIM, or change what is known of it; what is not said stays as it is."""
    given = {"operator": operator, "plan_mb": plan_mb, "apn": apn}
    said: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    with office(path, begin=True) as registry, registry.together():
        before = registry.sim(iccid) or Sim(iccid=iccid)
        changed = registry.put_sim(replace(before, **said))
        if unit is not None:
            changed = registry.put_sim_in(iccid, unit) or changed
        held = registry.holder(iccid)
    told = _("SIM {iccid} in no box") if held is None else _("SIM {iccid} in {unit}")
    _say(changed, told.format(iccid=iccid, unit="" if held is None else held.unit))


def asset(
    name: Annotated[str, Argument(help="Name of the vehicle, machine or pole.")],
    agency: Annotated[str, Option(help="Whose it is.")],
    kind: Annotated[str, Option(help="ambulance, fire-engine, excavator, pole …")],
    plate: Annotated[str, Option(help="Its number plate.")] = "",
    lat_deg: Annotated[float | None, Option("--lat", help="Where it stands (poles), degrees.")] = None,
    lon_deg: Annotated[float | None, Option("--lon", help="Where it stands (poles), degrees.")] = None,
    path: RegistryPath = DEFAULT,
) -> None:
    """Add a vehicle, machine or pole, or change what is known of it."""
    with office(path, begin=True) as registry:
        made = Asset(asset=name, agency=agency, kind=kind, plate=plate, lat_deg=lat_deg, lon_deg=lon_deg)
        _say(registry.put_asset(made), _("asset {name}").format(name=name))


def assign(
    unit: Annotated[str, Argument(help="The box.")],
    asset: Annotated[str, Argument(help="What it is mounted in.")],
    at: When = None,
    until: Annotated[str | None, Option(metavar="T", help="The end, when it is known.")] = None,
    path: RegistryPath = DEFAULT,
) -> None:
    """From then on the box serves the asset; what it served before ends there."""
    with office(path) as registry:
        _say(
            registry.assign(unit, asset, _moment(at), instant(until)),
            _("{unit} serves {asset}").format(unit=unit, asset=asset),
        )


def release(unit: Annotated[str, Argument(help="The box.")], at: When = None, path: RegistryPath = DEFAULT) -> None:
    """From then on the box serves nothing."""
    with office(path) as registry:
        _say(registry.release(unit, _moment(at)), _("{unit} serves nothing").format(unit=unit))


def swap(
    old: Annotated[str, Argument(help="The box that comes out.")],
    new: Annotated[str, Argument(help="The box that goes in.")],
    at: When = None,
    path: RegistryPath = DEFAULT,
) -> None:
    """The new box serves from then on what the old one served; the asset keeps one history."""
    with office(path) as registry:
        asset = registry.swap(old, new, _moment(at))
    print(_("{asset}: {new} instead of {old}").format(asset=asset, new=new, old=old))


def list_(
    what: Annotated[str, Argument(help="units, assets, assignments, sims or changes.")] = "units",
    path: RegistryPath = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Everything of one kind, as CSV (which `import` reads) or JSON."""
    if what not in (*COLUMNS, "changes"):
        said = _("{what}: wanted {kinds} or changes")
        raise BadParameter(said.format(what=repr(what), kinds=", ".join(COLUMNS)))
    with office(path) as registry:
        if what == "changes":
            for change in registry.changes():
                told = {**as_document(change), "at_utc": utc_text(change.at_utc_ms)}
                print(json.dumps(told) if as_json else _line(told))
        elif as_json:
            print(json.dumps(rows_of(registry, what), indent=2))
        else:
            print(as_csv(registry, what), end="")


def show(
    name: Annotated[str, Argument(help="A box, an asset, or a SIM's number.")],
    path: RegistryPath = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """All that is known of a box, an asset or a SIM: what it served, its certificates, who changed what."""
    with office(path) as registry:
        told = _told(registry, name)
    if told is None:
        raise RegistryError(_("no unit, asset, SIM or certificate {name} in the registry").format(name=name))
    if as_json:
        print(json.dumps(told, indent=2))
        return
    for title, value in told.items():
        lines = value if isinstance(value, list) else [value]
        print(f"{title}:", *(f"  {_words(line)}" for line in lines), sep="\n")


def import_(
    csv: Annotated[Path, Argument(help="Units, assets, assignments or sims; its first line says which.")],
    dry_run: Annotated[bool, Option("--dry-run", help="Only say what would change.")] = False,
    path: RegistryPath = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Take a spreadsheet (CSV) into the registry: all of it, or nothing and every problem named. Twice is once."""
    from rich.console import Console
    from rich.progress import Progress

    try:
        with csv.open(encoding="utf-8-sig", newline="") as file:
            table = read_table(file, str(csv))
    except (OSError, UnicodeDecodeError) as error:
        raise RegistryError(f"{csv}: {error}") from error
    with (
        office(path, begin=True) as registry,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        task = progress.add_task(table.name, total=len(table.rows))
        changed = take_table(registry, table, str(csv), dry_run=dry_run, progress=lambda: progress.advance(task))
    told = {"rows": len(table.rows), "changed": changed, "dry_run": dry_run}
    if as_json:
        print(json.dumps(told))
        return
    said = _("{rows} {table} read, {changed} would change") if dry_run else _("{rows} {table} read, {changed} changed")
    print(said.format(rows=len(table.rows), table=table.name, changed=changed))


def publish(store_url: StoreUrl, path: RegistryPath = DEFAULT, as_json: AsJson = False) -> None:
    """Hand the assignments to the centre: records whose asset changes are corrected, also old ones."""
    from broker.assets import Assignment

    with office(path) as registry:
        assets = {one.asset: one for one in registry.assets()}
        assignments = [
            Assignment(
                unit=s.unit,
                asset=s.asset,
                agency=assets[s.asset].agency,
                kind=assets[s.asset].kind,
                from_utc_ms=s.from_utc_ms,
                to_utc_ms=s.to_utc_ms,
            )
            for s in registry.served()
        ]
    with opened(store_url) as store:
        corrected = store.set_assignments(assignments)
    told = {"assignments": len(assignments), "corrected": corrected}
    said = _("{assignments} assignments at the centre, {corrected} records corrected")
    print(json.dumps(told) if as_json else said.format(**told))


def _told(registry: Registry, name: str) -> dict[str, Any] | None:
    unit, asset, sim = registry.unit(name), registry.asset(name), registry.sim(name)
    if unit is None and asset is None and sim is None and not registry.enrolments(name):
        return None
    spans = [s for s in registry.served() if name in (s.unit, s.asset)]
    told: dict[str, Any] = {} if unit is None else {"unit": as_document(unit)}
    if asset is not None:
        told["asset"] = as_document(asset)
    if sim is not None:
        held = registry.holder(name)
        told["sim"] = {**as_document(sim), "unit": None if held is None else held.unit}
    told["served"] = [
        {"unit": s.unit, "asset": s.asset, "from_utc": utc_text(s.from_utc_ms), "to_utc": _end(s.to_utc_ms)}
        for s in spans
    ]
    told["certificates"] = [as_document(one) for one in registry.enrolments(name)]
    told["sheets"] = [
        {"at_utc": utc_text(one.at_utc_ms), "verdict": one.verdict, "digest": one.digest}
        for one in registry.sheets(name)
    ]
    told["changes"] = [
        {"at_utc": utc_text(c.at_utc_ms), "who": c.who, "verb": c.verb, "table": c.table}
        for c in registry.changes(name)
    ]
    return told


def _moment(text: str | None) -> int:
    import time

    at = instant(text)
    return time.time_ns() // 1_000_000 if at is None else at


def _end(utc_ms: int | None) -> str:
    return "" if utc_ms is None else utc_text(utc_ms)


def _say(changed: bool, what: str) -> None:
    print(what if changed else _("{what}: it is so already").format(what=what))


def _line(told: dict[str, Any]) -> str:
    return f"{told['at_utc']}  {told['who']}  {told['verb']}  {told['key']}"


def _words(line: Any) -> str:
    return "  ".join(f"{key} {plain(str(value))}" for key, value in line.items() if value not in ("", None))
