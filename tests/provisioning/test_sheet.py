"""The sheet, its bytes and its signature, which the openssl binary alone can verify."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import polib
import pytest

from provisioning.acceptance import filing, words
from provisioning.acceptance.config import LONGEST_S, CheckConfig, load_check
from provisioning.acceptance.proof import Signed, from_detail, prove, sign
from provisioning.acceptance.run import DELIVERY_S
from provisioning.acceptance.sheet import Line, Sheet, SheetError, from_bytes, skipped, to_bytes
from provisioning.registry import KEPT_NIGHTLY, Registry
from provisioning.throwaway import make_authority
from provisioning.values import Enrolment, KeptSheet, RegistryError, Unit
from provisioning.words import CATALOGUES, DOMAIN, languages
from provisioning.x509 import load_key

NOON_MS = 1_793_534_400_000
LINES = (
    Line(name="gnss_satellites", verdict="passed", measured=9, bound="at least", limit=6),
    Line(name="modem_rsrp", verdict="failed", measured=-121.0, unit="dBm", bound="at least", limit=-110.0,
         todo=words.WEAK_NETWORK),
    skipped("input_pto", words.NOT_WIRED),
)  # fmt: skip
SHEET = Sheet(
    unit="box-1", at_utc_ms=NOON_MS, took_s=71.5, firmware="0.1.0", attended=True, by="Siti <Rahma>", lines=LINES
)


def signed_by(folder: Path, name: str = "box-1", sheet: Sheet = SHEET, role: str = "unit") -> Signed:
    issued = make_authority(folder / "ca").ensure(name, role)
    key = load_key(issued.key_path.read_bytes(), "key")
    return sign(to_bytes(sheet), key, issued.certificate_path.read_bytes())


def openssl(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *words], cwd=cwd, capture_output=True, text=True, check=False)


def test_the_same_sheet_is_the_same_bytes_and_comes_back() -> None:
    content = to_bytes(SHEET)
    assert from_bytes(content) == SHEET
    assert content == to_bytes(from_bytes(content))
    assert json.loads(content)["verdict"] == "failed"


def test_one_failed_line_fails_the_sheet_and_nothing_but_skipped_is_no_pass() -> None:
    assert not SHEET.passed
    assert replace(SHEET, lines=(LINES[0], LINES[2])).passed
    assert not replace(SHEET, lines=(LINES[2],)).passed
    assert not replace(SHEET, lines=()).passed


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.update(verdict="passed"),
        lambda d: d.update(unit="Bridge"),
        lambda d: d.update(format=2),
        lambda d: d.update(lines=[{"name": "x"}]),
        lambda d: d.update(at_utc_ms="noon"),
        lambda d: d.update(at_utc_ms=253_402_300_800_000),
        lambda d: d.update(by="\ud800"),
        lambda d: d.update(took_s=10**400),
        lambda d: d["lines"][0].update(verdict="perhaps"),
        lambda d: d["lines"][0].update(measured=[1]),
        lambda d: d.update(took_s=float("nan")),
    ],
)
def test_what_is_no_sheet_is_refused_with_a_reason(damage: object) -> None:
    document = json.loads(to_bytes(SHEET))
    damage(document)  # type: ignore[operator]
    with pytest.raises(SheetError):
        from_bytes(json.dumps(document).encode())
    for content in (b"", b"[]", b"\xff", b"[" * 100_000):
        with pytest.raises(SheetError):
            from_bytes(content)


def test_openssl_alone_verifies_the_sheet_and_who_signed_it(tmp_path: Path) -> None:
    path = filing.save(tmp_path / "sheets", SHEET, signed_by(tmp_path))
    stem, folder = path.stem, path.parent
    (folder / "box.pub").write_text(openssl("x509", "-in", f"{stem}.pem", "-pubkey", "-noout", cwd=folder).stdout)
    verify = ("dgst", "-sha256", "-verify", "box.pub", "-signature", f"{stem}.sig", f"{stem}.json")
    assert openssl(*verify, cwd=folder).stdout == "Verified OK\n"
    chain = openssl("verify", "-CAfile", str(tmp_path / "ca/ca.pem"), f"{stem}.pem", cwd=folder)
    assert chain.returncode == 0, chain.stderr
    path.write_bytes(path.read_bytes().replace(b"-121.0", b"-100.0"))
    assert openssl(*verify, cwd=folder).returncode == 1
    with pytest.raises(SheetError, match="does not hold"):
        filing.read(path)


def test_the_code_on_the_page_holds_digest_and_signature_and_nothing_is_fetched(tmp_path: Path) -> None:
    signed = signed_by(tmp_path)
    html = filing.save(tmp_path / "sheets", SHEET, signed).with_suffix(".html").read_text("utf-8")
    assert "<svg" in html and signed.digest in html
    assert "Siti &lt;Rahma&gt;" in html and "-121.0 dBm" in html and words.WEAK_NETWORK in html
    assert not re.search(r"(src|href)=|@import|url\(", html)


def test_only_the_units_own_certificate_signs_for_it(tmp_path: Path) -> None:
    assert prove(from_detail(signed_by(tmp_path).as_detail())).sheet == SHEET
    with pytest.raises(SheetError, match="is signed by unit box-2"):
        signed_by(tmp_path, "box-2")
    with pytest.raises(SheetError, match="is signed by technician"):
        signed_by(tmp_path, "box-1x", replace(SHEET, unit="box-1x"), role="technician")
    other = make_authority(tmp_path / "ca").ensure("box-3", "unit")
    with pytest.raises(SheetError, match="does not hold"):
        sign(to_bytes(SHEET), load_key(other.key_path.read_bytes(), ""), signed_by(tmp_path).certificate)
    for detail in ({}, {"sheet": "x", "signature": "??", "certificate": "y"}):
        with pytest.raises(SheetError):
            from_detail(detail)


# ---------------------------------------------------------------- registry


def kept(folder: Path, sheet: Sheet = SHEET) -> KeptSheet:
    return filing.to_keep(prove(signed_by(folder, sheet=sheet)))


def enrol(registry: Registry, one: KeptSheet) -> None:
    registry.put_unit(Unit(unit=one.unit))
    registry.add_enrolment(
        Enrolment(
            serial=one.serial, name=one.unit, role="unit", key=one.key, how="code", at_utc_ms=0, ends_utc_ms=NOON_MS
        )
    )


def test_the_registry_keeps_a_sheet_once_and_only_of_a_certificate_it_gave(tmp_path: Path) -> None:
    one = kept(tmp_path)
    with Registry(tmp_path / "registry.db", who="siti") as registry:
        with pytest.raises(RegistryError, match="no unit"):
            registry.put_sheet(one)
        registry.put_unit(Unit(unit="box-1"))
        with pytest.raises(RegistryError, match="not in the registry"):
            registry.put_sheet(one)
        enrol(registry, one)
        assert registry.put_sheet(one)
        assert not registry.put_sheet(one)
        assert registry.sheets("box-1") == [one]
        assert filing.from_kept(one).digest == one.digest
        assert [c.who for c in registry.changes(one.digest)] == ["siti"]


def test_a_month_of_nightly_sheets_is_kept_and_every_one_of_a_technician(tmp_path: Path) -> None:
    attended = kept(tmp_path)
    night = replace(attended, attended=False)
    with Registry(tmp_path / "registry.db", who="timer") as registry:
        enrol(registry, attended)
        registry.put_sheet(attended)
        for day in range(KEPT_NIGHTLY + 3):
            assert registry.put_sheet(replace(night, digest=f"{day:064x}", at_utc_ms=NOON_MS + 1 + day))
        assert not registry.put_sheet(replace(night, digest="f" * 64, at_utc_ms=NOON_MS)), "older than the month"
        found = registry.sheets("box-1")
        assert found[0] == attended
        assert [one.digest for one in found[1:]] == [f"{day:064x}" for day in range(3, KEPT_NIGHTLY + 3)]


# ---------------------------------------------------------------- words and times


def test_every_sentence_of_a_check_has_a_translation_that_keeps_its_blanks() -> None:
    for code in set(languages()) - {"en"}:
        catalogue = polib.pofile(str(CATALOGUES / code / "LC_MESSAGES" / f"{DOMAIN}.po"))
        translated = {entry.msgid: entry.msgstr for entry in catalogue if entry.msgstr}
        assert set(words.sentences()) - set(translated) == set()
        for sentence in words.sentences():
            blanks = re.compile(r"{\w+}")
            assert sorted(blanks.findall(sentence)) == sorted(blanks.findall(translated[sentence])), sentence


def test_all_waits_together_fit_into_ten_minutes() -> None:
    config = load_check(Path("/nonexistent/check.toml"), may_be_absent=True)
    assert isinstance(config, CheckConfig)
    wires = 3 * config.inputs.within_s
    in_a_vehicle, at_a_pole = config.gnss.within_s + wires, config.cameras.within_s
    waits = config.modem.within_s + config.centre.within_s + max(in_a_vehicle, at_a_pole)
    assert waits + DELIVERY_S <= LONGEST_S
