"""Labels are read back from their pictures, by another program's reader of QR codes."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
import zxingcpp
from test_card import Office

from provisioning.labels import PAGE, Label, sheet, svg, terminal
from provisioning.ticket import read_ticket

SVG = "{http://www.w3.org/2000/svg}"
SCALE = 4  # pixels a module


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "office")


def scanned(picture: str) -> str:
    """What a reader sees in the QR code of a label's SVG."""
    label = ElementTree.fromstring(picture)
    (square,) = [each for each in label.iter(f"{SVG}svg") if each is not label]
    side = int(square.attrib["viewBox"].split()[2])
    dark = set()
    (path,) = square.iter(f"{SVG}path")
    x = y = 0.0
    for verb, numbers in re.findall(r"([Mmh])([^Mmh]+)", path.attrib["d"]):
        given = [float(number) for number in numbers.split()]
        if verb == "h":
            dark |= {(int(x) + step, int(y)) for step in range(int(given[0]))}
            x += given[0]
        else:
            x, y = (given[0], given[1]) if verb == "M" else (x + given[0], y + given[1])
    width = side * SCALE
    pixels = bytes(
        0 if (column // SCALE, row // SCALE) in dark else 255 for row in range(width) for column in range(width)
    )
    (found,) = zxingcpp.read_barcodes(memoryview(pixels).cast("B", (width, width)))
    text: str = found.text
    return text


def openssl_fingerprint(path: Path) -> str:
    words = ["openssl", "x509", "-in", str(path), "-noout", "-fingerprint", "-sha256"]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return told.strip().partition("=")[2].replace(":", "").lower()


def texts(picture: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(picture).iter(f"{SVG}text")]


@pytest.mark.parametrize("unit", ["b", "box-1", "x" * 31])
def test_a_label_says_the_same_to_a_person_and_to_a_scanner(unit: str) -> None:
    picture = svg(Label(unit=unit, qr=f"https://city.example/{unit}?a=1&b=<2>", lines=("a & b",)))
    assert scanned(picture) == f"https://city.example/{unit}?a=1&b=<2>"
    assert texts(picture) == [unit, "a & b"]


def test_a_sheet_has_every_label_and_breaks_where_the_paper_ends() -> None:
    page = sheet([Label(unit=f"box-{number}", qr=f"box-{number}") for number in range(PAGE + 1)])
    pictures = re.findall(r"<svg xmlns.*?</text></svg>", page)
    assert [scanned(picture) for picture in pictures] == [f"box-{number}" for number in range(PAGE + 1)]
    assert page.count("<section>") == 2
    assert "http" not in page.replace("http://www.w3.org/2000/svg", ""), "nothing is fetched to print it"


def test_a_terminal_shows_it_too() -> None:
    told = terminal(Label(unit="box-1", qr="box-1", lines=("ABCD",)))
    assert told.endswith("box-1\nABCD\n") and "█" in told


def test_a_ticket_on_a_label_is_worth_a_certificate_and_the_file_is_for_its_owner_only(
    office: Office, tmp_path: Path
) -> None:
    out = tmp_path / "box-1.svg"
    done = office.run("label", "box-1", "--codes", "--out", str(out))
    assert done.exit_code == 0, done.output
    ticket = read_ticket(scanned(out.read_text()))
    assert ticket is not None and office.good("box-1", ticket.code)
    assert (ticket.unit, ticket.at.enrolment_host, ticket.at.broker_port) == ("box-1", "enrol.city.example", 8883)
    assert ticket.fingerprint == openssl_fingerprint(office.home / "authority/root.pem")
    assert ticket.code in texts(out.read_text()), "it can be typed, too"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_labels_of_a_spreadsheet_are_names_or_addresses(office: Office, tmp_path: Path) -> None:
    (tmp_path / "units.csv").write_text("unit,kind,iccid,note\nbox-1,gps_unit,,\nbox-2,gps_unit,,\n")
    told = json.loads(office.run("label", "--units", str(tmp_path / "units.csv"), "--json").stdout)
    assert [one["qr"] for one in told] == ["box-1", "box-2"]
    told = json.loads(office.run("label", "box-1", "--url", "https://city.example/{unit}", "--json").stdout)
    assert [one["qr"] for one in told] == ["https://city.example/box-1"]
    assert office.run("label", "box-9").exit_code != 0
    assert office.run("label", "box-1", "box-2", "--out", str(tmp_path / "two.svg")).exit_code == 2
    assert office.run("label").exit_code == 2
