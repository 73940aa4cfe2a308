"""`pantau-provision sheet`: acceptance sheets in the office, from the central store or from files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, BadParameter, Exit, Option, Typer

from pantau.plain import plain
from pantau.provision.registry import DEFAULT, RegistryPath, office
from pantau.provision.spoken import Verb, Verbs
from pantau.store import AsJson, opened
from provisioning.acceptance import filing, page, words
from provisioning.acceptance.post import SHEET
from provisioning.acceptance.proof import Proven, from_detail, prove
from provisioning.acceptance.sheet import SheetError
from provisioning.registry import Registry
from provisioning.values import KeptSheet, RegistryBusy, RegistryError
from provisioning.words import _
from settings.instants import utc_text

if TYPE_CHECKING:
    from broker.store import LogEntry, Store

AT_ONCE = 1000  # entries of the log in memory
NEVER = "never checked"
CURSOR = "acceptance-sheets"  # how far `import` has read the store's log

sheet = Typer(cls=Verbs, no_args_is_help=True, help="Acceptance sheets: take them in, list them, show and verify one.")


@sheet.command("import", cls=Verb)
def import_(
    files: Annotated[list[Path] | None, Argument(help="Sheets (.json) with .sig and .pem beside them.")] = None,
    store_url: Annotated[
        str | None, Option("--store", metavar="URL", help="The central store: every sheet that boxes have sent.")
    ] = None,
    again: Annotated[bool, Option("--again", help="Read the store's log from its beginning.")] = False,
    path: RegistryPath = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Take signed sheets into the registry. Only what a certificate of the registry has signed is taken. Twice is once.

    Exit 1 when a sheet was refused; the others are taken.
    """
    if bool(files) == (store_url is not None):
        raise BadParameter(_("wanted files, or --store URL"))
    refused: list[str] = []
    with office(path) as registry:
        if store_url is not None:
            with opened(store_url) as store:
                taken = _from_store(registry, store, refused, again=again)
        else:
            taken = sum(_from_file(registry, file, refused) for file in files or ())
    if as_json:
        print(json.dumps({"taken": taken, "refused": refused}))
    else:
        print(_("{count} sheets taken").format(count=taken))
        for why in refused:
            print(plain(_("refused: {why}").format(why=why)))
    if refused:
        raise Exit(1)


@sheet.command("list", cls=Verb)
def list_(
    unit: Annotated[str | None, Argument(help="A box; all of them without it.")] = None,
    newest: Annotated[bool, Option("--newest", help="Only the newest of each box.")] = False,
    path: RegistryPath = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Which box was checked when, by whom, and how it ended; a box that never was is listed, too."""
    with office(path) as registry:
        units = [registry.known_unit(unit).unit] if unit else [one.unit for one in registry.units()]
        rows = [row for name in units for row in _rows(registry, name, newest=newest)]
    for row in rows:
        print(json.dumps(row) if as_json else "  ".join(_said(value) for value in row.values()))


@sheet.command("show", cls=Verb)
def show(
    what: Annotated[str, Argument(help="A box (its newest sheet) or the digest of a sheet.")],
    out: Annotated[Path | None, Option(help="A folder for sheet, signature, certificate and page.")] = None,
    path: RegistryPath = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """A sheet, line by line; with --out as files, as they were on the box."""
    with office(path) as registry:
        kept = _found(registry, what)
    proven = prove(filing.from_kept(kept))
    if out is not None:
        print(filing.save(out, proven.sheet, proven.signed))
    elif as_json:
        print(kept.content)
    else:
        _print(proven)


@sheet.command("verify", cls=Verb)
def verify(
    file: Annotated[Path, Argument(help="A sheet (.json) with .sig and .pem beside it.")],
    path: RegistryPath = DEFAULT,
) -> None:
    """Whether a sheet is as its box signed it, and the box's key is one of ours. Exit 1 when not."""
    with office(path) as registry:
        proven = _read(file)
        _demand_ours(registry, proven)
    seen = proven.sheet
    told = _("{unit} {when} {verdict}: the signature holds")
    print(told.format(unit=seen.unit, when=utc_text(seen.at_utc_ms), verdict=_said(seen.verdict)))


def _from_store(registry: Registry, store: Store, refused: list[str], *, again: bool) -> int:
    """Every sheet after the cursor; those that are refused are named once, and not looked at again."""
    from wire import records_pb2
    from wire.decode import decode_body
    from wire.errors import PeerViolation
    from wire.kinds import KIND_EVENT

    taken, last = 0, store.last_log_id()
    for entry in _entries(store, 0 if again else registry.read_to(CURSOR), last):
        if entry.kind != KIND_EVENT:
            continue
        try:
            event = decode_body(KIND_EVENT, entry.body)
        except PeerViolation:
            continue  # stored undecoded, for `pantau rederive`
        if isinstance(event, records_pb2.Event) and event.name == SHEET:
            taken += _take(registry, entry.unit, dict(event.detail), refused, f"log_id {entry.log_id}")
    registry.has_read(CURSOR, last)
    return taken


def _entries(store: Store, after: int, last: int) -> Iterator[LogEntry]:
    """The log from after `after` up to and including `last`."""
    while after < last and (some := store.read_log(after, AT_ONCE)):
        yield from (entry for entry in some if entry.log_id <= last)
        after = some[-1].log_id


def _take(registry: Registry, unit: str, detail: dict[str, str], refused: list[str], where: str) -> bool:
    try:
        proven = prove(from_detail(detail))
        if proven.sheet.unit != unit:
            raise SheetError(_("the sheet of {unit} was sent by {sender}").format(unit=proven.sheet.unit, sender=unit))
        return registry.put_sheet(filing.to_keep(proven))
    except RegistryBusy:  # nothing is wrong with the sheet: it is taken the next time
        raise
    except (SheetError, RegistryError) as error:
        refused.append(f"{where}, {unit}: {error}")
        return False


def _from_file(registry: Registry, file: Path, refused: list[str]) -> bool:
    try:
        return registry.put_sheet(filing.to_keep(_read(file)))
    except RegistryBusy:
        raise
    except (SheetError, RegistryError) as error:
        refused.append(f"{file}: {error}")
        return False


def _read(file: Path) -> Proven:
    try:
        return filing.read(file)
    except OSError as error:
        raise SheetError(f"{error.filename or file}: {error.strerror}") from error


def _demand_ours(registry: Registry, proven: Proven) -> None:
    held = registry.enrolments(proven.sheet.unit)
    if (proven.serial, proven.key) not in {(one.serial, one.key) for one in held}:
        raise RegistryError(
            _("{unit}: the certificate that signed it is not in the registry").format(unit=proven.sheet.unit)
        )


def _found(registry: Registry, what: str) -> KeptSheet:
    kept = registry.sheet(what) or next(reversed(registry.sheets(what)), None)
    if kept is None:
        raise RegistryError(_("no sheet of {what} in the registry").format(what=what))
    return kept


def _rows(registry: Registry, unit: str, *, newest: bool) -> list[dict[str, str]]:
    kept = registry.sheets(unit)
    if not kept:
        return [{"unit": unit, "at_utc": "-", "verdict": NEVER, "by": "-", "digest": "-"}]
    return [
        {
            "unit": unit,
            "at_utc": utc_text(one.at_utc_ms),
            "verdict": one.verdict,
            "by": prove(filing.from_kept(one)).sheet.by or "-",
            "digest": one.digest,
        }
        for one in (kept[-1:] if newest else kept)
    ]


def _said(value: object) -> str:
    """A verdict in the person's language; all else as it stands, as far as it is printable."""
    text = str(value)
    if text == NEVER:
        return _("never checked")
    return _(words.VERDICTS[text]) if text in words.VERDICTS else plain(text)


def _print(proven: Proven) -> None:
    from rich.table import Table

    from pantau.tables import print_table

    sheet = proven.sheet
    verdict, by = _said(sheet.verdict), plain(sheet.by)
    print(f"{sheet.unit}  {utc_text(sheet.at_utc_ms)}  {verdict}  {by}  {proven.signed.digest}")
    table = Table(box=None, header_style="bold")
    for column in ("line", "measured", "limit", "result"):
        table.add_column(_(words.SAID[column]))
    table.add_column(_("to do"))
    for line in sheet.lines:
        table.add_row(page.title(line), page.measured(line), page.limit(line), _said(line.verdict), page.todo(line))
    print_table(table)
