"""docs/walk.md: what a technician types and sees, in both languages, from a bare box to a swapped one; played again.

The pages, and the field guide's pictures, hold what the commands said when they were written:
`PANTAU_RECORD=1 python -m pytest tests/e2e/test_walk.py`. Numbers, dates and codes are others each time; every word
has to be the same.
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
from pictures import cut_from, drawn, seen_in
from system_bus import GOOD, bus_with

from broker.store import open_store
from provisioning.acceptance.words import SAID
from provisioning.words import translated

DOCS: Final = Path(__file__).parents[2] / "docs"
WEAK: Final = {**GOOD, "rsrp": -121.0, "rsrq": -18.0, "snr": -2.5}  # a garage in a basement
HEADS: Final = {
    "en": """# From a bare box to a mounted one

What is typed and what is seen, step by step. This page is written by `tests/e2e/test_walk.py`, which does all of it
again at every test: GPS receiver and modem are simulated, server and broker are real. Files are where they usually are,
and so not named. What each step is for: [field guide](field-guide.md). [Bahasa Indonesia](walk.id.md).
""",
    "id": """# Dari boks kosong sampai terpasang

Apa yang diketik dan apa yang terlihat, langkah demi langkah, dengan `PANTAU_LANGUAGE=id`. Halaman ini ditulis oleh
`tests/e2e/test_walk.py`, yang menjalankan semuanya lagi pada setiap pengujian: penerima GPS dan modemnya simulasi,
server dan brokernya sungguhan. Berkas berada di tempat yang biasa, sehingga tidak disebut. Penjelasan tiap langkah:
[panduan lapangan](field-guide.id.md). [English](walk.md).
""",
}
PLACES: Final = {
    "en": (
        "In the office: boxes and vehicles",
        "In the workshop: the box gets its identity",
        "In the vehicle: the check",
        "In the office: sheets, a swapped box, a stolen box",
    ),
    "id": (
        "Di kantor: boks dan kendaraan",
        "Di bengkel: boks mendapat identitasnya",
        "Di kendaraan: pemeriksaan",
        "Di kantor: lembar pemeriksaan, tukar boks, boks yang dicuri",
    ),
}
YES: Final = {"en": "y\n", "id": "ya\n"}
CODE: Final = re.compile(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b")
SYSTEM: Final = re.compile(r"(✓ (?:sistem|system): ).*")  # whatever this machine is


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    try:
        office.build()
        yield office
    finally:
        office.close()


class Page:
    """The page as it grows: a heading for each place, a block for each command; and the pictures of some."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._parts = [HEADS[office.language]]
        self._places = iter(PLACES[office.language])
        self.pictures: dict[str, list[str]] = {}

    def next_place(self) -> None:
        """The heading of the next place."""
        self._parts.append(f"\n## {next(self._places)}\n")

    def step(self, shown: str, *more: str, typed: str = "", code: int = 0, **environment: str) -> str:
        """Run what is shown (and `more` words, which are only about where files are), and note what it said."""
        words = [*shown.split()[1:], *more]
        run = self._office.at_terminal if typed else self._office.provision
        said = run(*words, typed=typed, code=code, **environment)
        self._parts.append("\n```\n" + "\n".join(self.lines(shown, said)) + "\n```\n")
        return said

    def lines(self, shown: str, said: str) -> list[str]:
        """What the screen shows of a command, with the places and codes of the day made good."""
        home = self._office.home
        told = said.replace(f"{home}/box-1/", "/var/lib/pantau/").replace(f"{home}/", "").rstrip()
        told = SYSTEM.sub(r"\1Debian GNU/Linux 12 (bookworm), 6.12, Python 3.11", told)
        return [f"$ {shown}", *(line.rstrip() for line in CODE.sub("ABCD-EFGH-JKLM", told).splitlines())]

    def text(self) -> str:
        """The page so far."""
        return "".join(self._parts)


def without_values(page: str) -> str:
    """The words of a page: every number and every path's name of it is another one next time."""
    return re.sub(r"\b[0-9a-f]{64}\b|-?[0-9][0-9A-Za-z.,:-]*", "0", page)


@pytest.mark.slow
@pytest.mark.parametrize("language", sorted(HEADS))
def test_the_page_is_what_a_technician_sees(office: Office, tmp_path: Path, language: str) -> None:
    office.language = language
    page, home, pictures = Page(office), office.home, {}
    card = office.bare("box-1")
    files = ("--config", str(card / "check.toml"), "--unit", str(card / "unit.toml"))
    enrolment = ("--config", str(card / "enrolment.toml"))
    (card / "check.toml").write_text(CHECK)

    page.next_place()
    page.step("pantau-provision unit box-3", "--note", "spare")
    page.step("pantau-provision assign box-1 ambulance-7")
    drawn_code = CODE.search(page.step("pantau-provision code box-1"))
    assert drawn_code is not None
    office.provision("label", "box-1", "box-2", "box-3", "--out", str(home / "sheet.html"))
    labels = cut_from((home / "sheet.html").read_text("utf-8"))

    page.next_place()
    enrol = "pantau-provision enrol"
    refused = page.step(enrol, *enrolment, typed="ABCD-EFGH-JKLM\n", code=1)
    taken = page.step(enrol, *enrolment, typed=f"{drawn_code[0]}\n")
    pictures["enrol"] = [*page.lines(enrol, refused), *page.lines(enrol, taken), "$"]
    page.step("pantau-provision renew", *enrolment)

    page.next_place()
    check = "pantau-provision check --unattended"
    box = office.mounted("box-1")
    box.begin()
    try:
        eventually(lambda: has_records(office), 90, box.child.tail)
        with bus_with(WEAK, tmp_path) as bus:
            weak = page.lines(check, page.step(check, *files, code=1, DBUS_SYSTEM_BUS_ADDRESS=bus))
        with bus_with(GOOD, tmp_path) as bus:
            good = page.lines(check, page.step(check, *files, DBUS_SYSTEM_BUS_ADDRESS=bus))
    finally:
        box.end()
        box.give_up()
    pictures["check-running"] = good[: modem_at(good, language) + 1]
    pictures["check-failed"] = [*weak[modem_at(weak, language) :], "$"]
    pictures["check-passed"] = [*good[modem_at(good, language) :], "$"]

    page.next_place()
    page.step("pantau-provision sheet import", "--store", office.store_url)
    page.step("pantau-provision sheet list --newest")
    swap = "pantau-provision swap box-1 box-2"
    pictures["swap"] = [*page.lines(swap, page.step(swap)), "$"]
    page.step("pantau-provision retire box-1", "--centre", str(home / "centre.toml"), typed=YES[language])
    page.step("pantau-provision enrol --again", *enrolment, typed="ABCD-EFGH-JKLM\n", code=1)

    suffix = {"en": "", "id": ".id"}[language]
    path, screens = DOCS / f"walk{suffix}.md", DOCS / "screens"
    if os.environ.get("PANTAU_RECORD"):
        path.write_text(page.text(), "utf-8")
        (screens / "label.svg").write_text(labels, "utf-8")
        for name, lines in pictures.items():
            (screens / f"{name}{suffix}.svg").write_text(drawn(lines, "pantau"), "utf-8")
    assert without_values(page.text()) == without_values(path.read_text("utf-8"))
    assert labels == (screens / "label.svg").read_text("utf-8")
    for name, lines in pictures.items():
        kept = seen_in((screens / f"{name}{suffix}.svg").read_text("utf-8"))
        assert without_values("\n".join(kept)).split() == without_values("\n".join(lines)).split(), name


def modem_at(lines: list[str], language: str) -> int:
    """Where on the screen of a check the modem is asked: it does not fit on one picture."""
    said = translated(SAID["modem"], language).partition("{")[0]
    return next(n for n, line in enumerate(lines) if line.startswith(said))


def has_records(office: Office) -> bool:
    with open_store(office.store_url) as store:
        return any(account.unit == "box-1" and account.stored for account in store.ledger())
