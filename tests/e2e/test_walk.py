"""docs/walk.id.md: what a technician types and sees, in Indonesian, from a bare box to a swapped one; played again.

The page holds what the commands said when it was written: `PANTAU_RECORD=1 python -m pytest tests/e2e/test_walk.py`.
Numbers, dates and codes are others each time; every word has to be the same.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from office import CHECK, Office
from outing import eventually
from system_bus import GOOD, bus_with

from broker.store import open_store

PAGE: Final = Path(__file__).parents[2] / "docs" / "walk.id.md"
HEAD: Final = """# Dari boks kosong sampai terpasang

Apa yang diketik dan apa yang terlihat, langkah demi langkah, dengan `PANTAU_LANGUAGE=id`. Halaman ini ditulis oleh
`tests/e2e/test_walk.py`, yang menjalankan semuanya lagi pada setiap pengujian: penerima GPS dan modemnya simulasi,
server dan brokernya sungguhan. Berkas berada di tempat yang biasa, sehingga tidak disebut. Penjelasan tiap langkah:
[panduan lapangan](field-guide.id.md).
"""
CODE: Final = re.compile(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b")

SYSTEM: Final = re.compile("sistem: .*")  # whatever this machine is


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    try:
        office.build()
        office.language = "id"
        yield office
    finally:
        office.close()


class Page:
    """The page as it grows: a heading for each place, a block for each command."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._parts = [HEAD]

    def at(self, place: str) -> None:
        self._parts.append(f"\n## {place}\n")

    def step(self, shown: str, *more: str, typed: str = "", code: int = 0, **environment: str) -> str:
        """Run what is shown (and `more` words, which are only about where files are), and note what it said."""
        words = shown.split()[1:]
        said = self._office.provision(*words, *more, typed=typed, code=code, **environment)
        told = said.replace(f"{self._office.home}/", "").rstrip()
        told = SYSTEM.sub("sistem: Debian GNU/Linux 12 (bookworm), 6.12, Python 3.11", told)
        lines = [line.rstrip() for line in CODE.sub("ABCD-EFGH-JKLM", told).splitlines()]
        self._parts.append("\n```\n$ " + "\n".join([shown, *lines]) + "\n```\n")
        return said

    def text(self) -> str:
        return "".join(self._parts)


def without_values(page: str) -> str:
    """The words of a page: every number and every path's name of it is another one next time."""
    return re.sub(r"\b[0-9a-f]{64}\b|[0-9][0-9A-Za-z.,:-]*", "0", page)


@pytest.mark.slow
def test_the_page_is_what_a_technician_sees(office: Office, tmp_path: Path) -> None:
    page, home = Page(office), office.home
    card = office.bare("box-1")
    files = ("--config", str(card / "check.toml"), "--unit", str(card / "unit.toml"))
    enrolment = ("--config", str(card / "enrolment.toml"))
    (card / "check.toml").write_text(CHECK)

    page.at("Di kantor: boks dan kendaraan")
    page.step("pantau-provision unit box-3", "--note", "cadangan")
    page.step("pantau-provision assign box-1 ambulance-7")
    drawn = CODE.search(page.step("pantau-provision code box-1"))
    assert drawn is not None

    page.at("Di bengkel: boks mendapat identitasnya")
    page.step("pantau-provision enrol", *enrolment, typed="ABCD-EFGH-JKLM\n", code=1)
    page.step("pantau-provision enrol", *enrolment, typed=f"{drawn[0]}\n")
    page.step("pantau-provision renew", *enrolment)

    page.at("Di kendaraan: pemeriksaan")
    box = office.mounted("box-1")
    box.begin()
    try:
        eventually(lambda: has_records(office), 30, box.child.tail)
        with bus_with(GOOD, tmp_path) as bus:
            page.step("pantau-provision check --unattended", *files, DBUS_SYSTEM_BUS_ADDRESS=bus)
    finally:
        box.end()
        box.give_up()

    page.at("Di kantor: lembar pemeriksaan, tukar boks, boks yang dicuri")
    page.step("pantau-provision sheet import", "--store", office.store_url)
    page.step("pantau-provision sheet list --newest")
    page.step("pantau-provision swap box-1 box-2")
    page.step("pantau-provision retire box-1", "--centre", str(home / "centre.toml"), typed="y\n")
    page.step("pantau-provision enrol --again", *enrolment, typed="ABCD-EFGH-JKLM\n", code=1)

    if os.environ.get("PANTAU_RECORD"):
        PAGE.write_text(page.text(), "utf-8")
    assert without_values(page.text()) == without_values(PAGE.read_text("utf-8"))


def has_records(office: Office) -> bool:
    with open_store(office.store_url) as store:
        return any(account.unit == "box-1" and account.stored for account in store.ledger())
