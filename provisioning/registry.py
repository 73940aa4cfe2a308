"""The registry: every box, asset, SIM and who served whom from when to when, in TinyDB on SQLite, one row each.

Every change is one transaction together with its entry in `changes`: who, when, what it was before. A row's id is
made from its name, so that looking one up costs the same among 100 and among 10,000.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self

from tinydb.table import Document

from edge.disk import BUSY_TIMEOUT_S
from edge.documents import Documents, tables_in
from edge.outbox_faults import BUSY, CORRUPT_FILE, fault_of
from provisioning.codes import Code
from provisioning.files import SECRET
from provisioning.values import (
    Asset,
    Change,
    Enrolment,
    KeptSheet,
    RegistryBusy,
    RegistryError,
    Served,
    Sim,
    State,
    Unit,
    as_document,
)
from provisioning.words import _

UNITS: Final = "units"
ASSETS: Final = "assets"
SERVED: Final = "served"
SIMS: Final = "sims"
HOLDERS: Final = "holders"  # which box a SIM is in, so that finding it costs the same among 10,000
CODES: Final = "codes"
ENROLMENTS: Final = "enrolments"
NAMES: Final = "names"  # certificates of a name, so that finding them costs the same among 10,000
ANSWERS: Final = "answers"  # the last certificate that was given to a name, for a box that lost it on the way
CHANGES: Final = "changes"
SHEETS: Final = "sheets"
READ_TO: Final = "read_to"
SHEETS_OF: Final = "sheets_of"  # digests of a unit's sheets, oldest first
A_PAGE: Final = 32  # certificates of a name in one row: adding one costs the same after thousands
KEPT_NIGHTLY: Final = 30  # a month of nightly ones a unit; those a technician made are kept


class Registry:
    """`who` is written beside every change. All methods that change raise RegistryError and then change nothing.

    `begin`: an empty one is made where none is. A file that is damaged or something else is left as it is: whoever
    takes an empty registry for the city's forgets who is retired. What changes reads first inside of the same
    transaction; it waits up to `wait_s` while another process writes, then raises RegistryBusy.
    """

    def __init__(
        self,
        path: Path,
        *,
        who: str,
        utc_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        begin: bool = True,
        wait_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self._documents = _opened(path, begin=begin, wait_s=wait_s)
        self._who = who
        self._utc_ms = utc_ms

    # ---------------------------------------------------------------- one at a time

    def unit(self, name: str) -> Unit | None:
        """The box of that name."""
        found = self._get(UNITS, name)
        return None if found is None else Unit(**found)

    def asset(self, name: str) -> Asset | None:
        """The asset of that name."""
        found = self._get(ASSETS, name)
        return None if found is None else Asset(**found)

    def known_unit(self, name: str) -> Unit:
        """The box of that name; RegistryError when there is none."""
        found = self.unit(name)
        if found is None:
            raise RegistryError(_("no unit {name} in the registry; add it first").format(name=name))
        return found

    def put_unit(self, unit: Unit) -> bool:
        """Add or change a box; False when it is so already. What is retired stays retired."""
        _refuse(unit.problems())
        with self.together():
            before = self.unit(unit.unit)
            if before is not None and before.state == "retired" and unit != before:
                raise RegistryError(_("unit {name} is retired; a repaired box gets a new name").format(name=unit.unit))
            if unit.iccid != (before.iccid if before is not None else ""):
                self._move_sim(before, unit)
            return self._put(UNITS, unit.unit, as_document(unit), "unit")

    def put_asset(self, asset: Asset) -> bool:
        """Add or change a vehicle, machine or pole; False when it is so already."""
        _refuse(asset.problems())
        return self._put(ASSETS, asset.asset, as_document(asset), "asset")

    def put_sim(self, sim: Sim) -> bool:
        """Add or change a SIM; False when it is so already."""
        _refuse(sim.problems())
        return self._put(SIMS, sim.iccid, as_document(sim), "sim")

    def sim(self, iccid: str) -> Sim | None:
        """The SIM of that number."""
        found = self._get(SIMS, iccid)
        return None if found is None else Sim(**found)

    def holder(self, iccid: str) -> Unit | None:
        """The box that a SIM is in."""
        found = self._get(HOLDERS, iccid)
        return None if found is None else self.unit(found["unit"])

    def put_sim_in(self, iccid: str, name: str) -> bool:
        """From now on the SIM is in that box, and in no other; False when it is so already."""
        with self.together():
            unit, held = self.known_unit(name), self.holder(iccid)
            if held is not None and held.unit != name and held.state != "retired":
                self.put_unit(replace(held, iccid=""))
            return self.put_unit(replace(unit, iccid=iccid))

    def set_state(self, name: str, state: State, verb: str) -> bool:
        """A box was enrolled or retired; False when it was so already."""
        with self.together():
            unit = self.known_unit(name)
            if unit.state == "retired" and state != "retired":
                raise RegistryError(_("unit {name} is retired").format(name=name))
            return self._put(UNITS, name, as_document(replace(unit, state=state)), verb)

    # ---------------------------------------------------------------- who serves whom

    def served_by(self, unit: str) -> list[Served]:
        """What a box has served, oldest first."""
        kept = self._get(SERVED, unit)
        return [] if kept is None else [Served(unit=unit, **each) for each in kept["spans"]]

    def assign(self, unit: str, asset: str, from_utc_ms: int, to_utc_ms: int | None = None) -> bool:
        """From then on the box serves the asset: what it served before ends there. False when it is so already."""
        if to_utc_ms is not None and to_utc_ms <= from_utc_ms:
            raise RegistryError(_("an assignment must end after it begins"))
        new = Served(unit=unit, asset=asset, from_utc_ms=from_utc_ms, to_utc_ms=to_utc_ms)
        with self.together():
            if self.known_unit(unit).state == "retired":
                raise RegistryError(_("unit {name} is retired; it serves nothing any more").format(name=unit))
            if self.asset(asset) is None:
                raise RegistryError(_("no asset {name} in the registry; add it first").format(name=asset))
            spans = self.served_by(unit)
            return new not in spans and self._put_spans(unit, [*_ended(spans, new), new], "assign")

    def release(self, unit: str, at_utc_ms: int) -> bool:
        """From then on the box serves nothing; False when it served nothing."""
        with self.together():
            spans = self.served_by(unit)
            kept = [_until(span, at_utc_ms) for span in spans if span.from_utc_ms < at_utc_ms]
            return self._put_spans(unit, kept, "release")

    def swap(self, old: str, new: str, at_utc_ms: int) -> str:
        """`new` serves from then on what `old` served; the asset's name."""
        with self.together():
            held = [s for s in self.served_by(old) if s.to_utc_ms is None or at_utc_ms < s.to_utc_ms]
            if not held or held[-1].from_utc_ms > at_utc_ms:
                raise RegistryError(_("unit {name} serves nothing at that time: nothing to swap").format(name=old))
            self.release(old, at_utc_ms)
            self.assign(new, held[-1].asset, at_utc_ms, held[-1].to_utc_ms)
        return held[-1].asset

    # ---------------------------------------------------------------- certificates

    def put_code(self, code: Code) -> None:
        """The name's only code from now on; an older one is worth nothing any more."""
        with self.together():
            if code.role == "unit" and self.known_unit(code.name).state == "retired":
                raise RegistryError(_("unit {name} is retired; it gets no code").format(name=code.name))
            self._put(CODES, code.name, asdict(code), "code", secret=True)

    def code(self, name: str) -> Code | None:
        """The name's code; used and expired ones, too."""
        found = self._get(CODES, name)
        if found is None:
            return None
        found["agencies"], found["hosts"] = tuple(found["agencies"]), tuple(found["hosts"])
        return Code(**found)

    def add_enrolment(self, enrolment: Enrolment) -> None:
        """A certificate was issued; a unit is enrolled from now on."""
        with self.together():
            self._put(ENROLMENTS, enrolment.serial, as_document(enrolment), enrolment.how)
            self._add_serial(enrolment.name, enrolment.serial, enrolment.how)
            if enrolment.role == "unit":
                self.set_state(enrolment.name, "enrolled", "enrol")

    def keep_answer(self, enrolment: Enrolment, certificate: bytes) -> None:
        """The certificate (PEM) itself, until the name's next; `add_enrolment` writes down that it was issued."""
        document = {"name": enrolment.name, "serial": enrolment.serial, "certificate": certificate.decode()}
        self._documents.table(ANSWERS).upsert(Document(document, doc_id=place_of(enrolment.name)))

    def answer(self, enrolment: Enrolment) -> bytes | None:
        """That certificate (PEM), while it is the last that `keep_answer` was given for its name."""
        found = self._get(ANSWERS, enrolment.name)
        return found["certificate"].encode() if found is not None and found["serial"] == enrolment.serial else None

    def enrolment(self, serial: str) -> Enrolment | None:
        """The certificate with that serial number (hex)."""
        found = self._get(ENROLMENTS, serial)
        return None if found is None else Enrolment(**found)

    def enrolments(self, name: str) -> list[Enrolment]:
        """Every certificate of a name, oldest first."""
        return list(self._newest_first(name))[::-1]

    def newest_enrolments(self, name: str, count: int) -> list[Enrolment]:
        """The last certificates of a name, at most so many, newest first; costs the same whatever came before."""
        return list(islice(self._newest_first(name), count))

    def retire(self, name: str) -> list[Enrolment]:
        """The box is no longer ours: it serves nothing, its certificates and its code are worth nothing.

        A technician or a machine of the centre, too: whoever has a certificate. Gives those that are revoked with it.
        """
        now_ms = self._utc_ms()
        with self.together():
            if self.unit(name) is not None or not self.enrolments(name):
                self.set_state(name, "retired", "retire")
                self.release(name, now_ms)
            self._drop(CODES, name)
            for one in self.enrolments(name):
                if one.revoked_utc_ms is None:
                    revoked = replace(one, revoked_utc_ms=now_ms)
                    self._put(ENROLMENTS, one.serial, as_document(revoked), "revoke")
        return self.enrolments(name)

    def revoked(self) -> list[Enrolment]:
        """Every certificate that is no longer good."""
        found = [Enrolment(**each) for each in self._documents.table(ENROLMENTS)]
        return [one for one in found if one.revoked_utc_ms is not None]

    # ---------------------------------------------------------------- acceptance sheets

    def put_sheet(self, sheet: KeptSheet) -> bool:
        """Keep a sheet; False when it is here already. Raises RegistryError when its key was never that unit's."""
        self.known_unit(sheet.unit)
        if all((one.serial, one.key) != (sheet.serial, sheet.key) for one in self.enrolments(sheet.unit)):
            raise RegistryError(
                _("{unit}: the certificate that signed it is not in the registry").format(unit=sheet.unit)
            )
        with self.together():
            kept = self.sheets(sheet.unit)
            if sheet.digest in {one.digest for one in kept}:
                return False
            held = sorted([*kept, sheet], key=lambda one: one.at_utc_ms)
            nightly = [one for one in held if not one.attended]
            gone = {one.digest for one in nightly[:-KEPT_NIGHTLY]}
            self._put(SHEETS, sheet.digest, as_document(sheet), "sheet", secret=True)
            digests = [one.digest for one in held if one.digest not in gone]
            self._put(SHEETS_OF, sheet.unit, {"unit": sheet.unit, "digests": digests}, "sheet", secret=True)
            for digest in gone:
                self._drop(SHEETS, digest)
        return sheet.digest not in gone

    def sheet(self, digest: str) -> KeptSheet | None:
        """The sheet whose bytes have that SHA-256 (hex)."""
        found = self._get(SHEETS, digest)
        return None if found is None else KeptSheet(**found)

    def sheets(self, unit: str) -> list[KeptSheet]:
        """Every sheet of a unit, oldest first."""
        kept = self._get(SHEETS_OF, unit) or {"digests": []}
        return [found for digest in kept["digests"] if (found := self.sheet(digest)) is not None]

    def read_to(self, name: str) -> int:
        """How far a log was read under that name, 0 when it never was."""
        found = self._get(READ_TO, name)
        return 0 if found is None else int(found["log_id"])

    def has_read(self, name: str, log_id: int) -> None:
        """Remember that; it is no change of what the registry says, so nobody is written down for it."""
        document = {"name": name, "log_id": log_id}
        with self.together():
            self._documents.table(READ_TO).upsert(Document(document, doc_id=place_of(name)))

    def retired(self) -> list[str]:
        """Every name that is no longer ours, boxes and people."""
        people = {one.name for one in self.revoked() if one.role != "unit"}
        return sorted(people | {unit.unit for unit in self.units() if unit.state == "retired"})

    # ---------------------------------------------------------------- all of them

    def units(self) -> list[Unit]:
        """Every box, by name."""
        return sorted((Unit(**each) for each in self._documents.table(UNITS)), key=lambda unit: unit.unit)

    def assets(self) -> list[Asset]:
        """Every asset, by name."""
        return sorted((Asset(**each) for each in self._documents.table(ASSETS)), key=lambda asset: asset.asset)

    def sims(self) -> list[Sim]:
        """Every SIM, by number."""
        return sorted((Sim(**each) for each in self._documents.table(SIMS)), key=lambda sim: sim.iccid)

    def served(self) -> list[Served]:
        """Every assignment, by box and time."""
        spans = [Served(unit=each["unit"], **span) for each in self._documents.table(SERVED) for span in each["spans"]]
        return sorted(spans, key=lambda span: (span.unit, span.from_utc_ms))

    def changes(self, key: str | None = None) -> list[Change]:
        """Every change (of one name), oldest first."""
        found = [Change(**each) for each in self._documents.table(CHANGES)]
        return [change for change in found if key is None or change.key == key]

    # ---------------------------------------------------------------- inside

    @contextmanager
    def together(self) -> Iterator[None]:
        """Everything inside is done, or none of it; nobody else writes meanwhile."""
        try:
            with self._documents.transaction():
                yield
        except sqlite3.OperationalError as error:
            if fault_of(error) == BUSY:
                raise RegistryBusy from error
            raise

    def close(self) -> None:
        """Close the file."""
        self._documents.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _get(self, table: str, key: str) -> dict[str, Any] | None:
        found = self._documents.table(table).get(doc_id=place_of(key))
        return None if found is None else dict(found)

    def _add_serial(self, name: str, serial: str, verb: str) -> None:
        """A name's row holds its last serial numbers; full, it becomes a page, and is written no more."""
        kept = self._get(NAMES, name) or {"serials": []}
        serials, pages = kept["serials"], kept.get("pages", 0)
        if len(serials) >= A_PAGE:
            self._put(NAMES, _page(name, pages), {"name": name, "serials": serials}, verb, secret=True)
            serials, pages = [], pages + 1
        row = {"name": name, "serials": [*serials, serial], "pages": pages}
        self._put(NAMES, name, row, verb, secret=True)

    def _newest_first(self, name: str) -> Iterator[Enrolment]:
        pages = (self._get(NAMES, name) or {}).get("pages", 0)
        for key in (name, *(_page(name, page) for page in reversed(range(pages)))):
            kept = self._get(NAMES, key) or {"serials": []}
            for serial in reversed(kept["serials"]):
                found = self.enrolment(serial)
                if found is not None:
                    yield found

    def _move_sim(self, before: Unit | None, after: Unit) -> None:
        held = self.holder(after.iccid) if after.iccid else None
        if held is not None and held.unit != after.unit and held.state != "retired":
            raise RegistryError(
                _("SIM {iccid} is in unit {unit}; take it out there first").format(iccid=after.iccid, unit=held.unit)
            )
        if before is not None and before.iccid:
            self._drop(HOLDERS, before.iccid)
        if after.iccid:
            self._put(HOLDERS, after.iccid, {"unit": after.unit}, "sim")

    def _drop(self, table: str, key: str) -> None:
        if self._get(table, key) is not None:
            self._documents.table(table).remove(doc_ids=[place_of(key)])

    def _put(self, table: str, key: str, document: dict[str, Any], verb: str, *, secret: bool = False) -> bool:
        """`secret`: that it changed is written down, what it is is not."""
        with self.together():
            before = self._get(table, key)
            if before == document:
                return False
            change = Change(
                at_utc_ms=self._utc_ms(),
                who=self._who,
                verb=verb,
                table=table,
                key=key,
                before=None if secret else before,
                after=None if secret else document,
            )
            self._documents.table(table).upsert(Document(document, doc_id=place_of(key)))
            self._documents.table(CHANGES).insert(as_document(change))
        return True

    def _put_spans(self, unit: str, spans: list[Served], verb: str) -> bool:
        kept = []
        for span in sorted(spans, key=lambda each: each.from_utc_ms):
            document = as_document(span)
            del document["unit"]
            kept.append(document)
        return self._put(SERVED, unit, {"unit": unit, "spans": kept}, verb)


def _opened(path: Path, *, begin: bool, wait_s: float) -> Documents:
    """The file's documents. RegistryError when it is none of ours."""
    try:
        held = tables_in(path) if path.exists() and path.stat().st_size else set()
        if CHANGES not in held:
            if held:
                raise RegistryError(_("{path} is no registry").format(path=path))
            if not begin:
                raise RegistryError(_("no registry at {path}; the first unit or import begins one").format(path=path))
            path.touch(mode=SECRET)  # SQLite gives its journals the same
        return Documents(path, busy_timeout_s=wait_s)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if fault_of(error) == BUSY:
            raise RegistryBusy from error
        if fault_of(error) != CORRUPT_FILE:
            raise
        said = _("{path} is damaged, or no registry; nothing was changed; put back a copy")
        raise RegistryError(said.format(path=path)) from error


def place_of(key: str) -> int:
    """A row's id from its name: 62 bits of SHA-256, so that two of 10,000 names share one once in 10^11 cities."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) >> 2


def _page(name: str, page: int) -> str:
    """The key of a full row; no name has a slash."""
    return f"{name}/{page}"


def _refuse(problems: list[str]) -> None:
    if problems:
        raise RegistryError("; ".join(problems))


def _until(span: Served, at_utc_ms: int) -> Served:
    ends_later = span.to_utc_ms is None or span.to_utc_ms > at_utc_ms
    return replace(span, to_utc_ms=at_utc_ms) if ends_later else span


def _ended(spans: list[Served], new: Served) -> list[Served]:
    """The old spans with room made for the new one: what is under it goes, what reaches into it is cut."""
    kept = []
    for span in spans:
        if not span.overlaps(new):
            kept.append(span)
            continue
        if span.from_utc_ms < new.from_utc_ms:
            kept.append(replace(span, to_utc_ms=new.from_utc_ms))
        if new.to_utc_ms is not None and (span.to_utc_ms is None or span.to_utc_ms > new.to_utc_ms):
            kept.append(replace(span, from_utc_ms=new.to_utc_ms))
    return kept
