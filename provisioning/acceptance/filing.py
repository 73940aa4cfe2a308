"""Sheets as files on the box, and as the registry keeps them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from provisioning.acceptance.page import page
from provisioning.acceptance.proof import Proven, Signed, prove
from provisioning.acceptance.sheet import Sheet
from provisioning.files import PUBLIC, write
from provisioning.values import KeptSheet

KEPT: Final = 30  # on the box; the registry has them all
ENDINGS: Final = (".json", ".sig", ".pem", ".html")


def save(folder: Path, sheet: Sheet, signed: Signed) -> Path:
    """Write the sheet, its signature, the certificate and the page beside each other; the sheet's path."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{sheet.unit}-{datetime.fromtimestamp(sheet.at_utc_ms / 1000, UTC):%Y%m%dT%H%M%SZ}"
    contents = (signed.content, signed.signature, signed.certificate, page(sheet, signed))
    for ending, content in zip(ENDINGS, contents, strict=True):
        write(folder / f"{stem}{ending}", content, mode=PUBLIC)
    for old in sorted(folder.glob("*.json"))[:-KEPT]:
        for ending in ENDINGS:
            old.with_suffix(ending).unlink(missing_ok=True)
    return folder / f"{stem}.json"


def read(path: Path) -> Proven:
    """A sheet that `save` wrote (or that was copied with its .sig and .pem). Raises SheetError, OSError."""
    return prove(
        Signed(path.read_bytes(), path.with_suffix(".sig").read_bytes(), path.with_suffix(".pem").read_bytes())
    )


def to_keep(proven: Proven) -> KeptSheet:
    """The sheet as the registry keeps it."""
    return KeptSheet(
        digest=proven.signed.digest,
        unit=proven.sheet.unit,
        at_utc_ms=proven.sheet.at_utc_ms,
        verdict=proven.sheet.verdict,
        attended=proven.sheet.attended,
        serial=proven.serial,
        key=proven.key,
        **_texts(proven.signed),
    )


def from_kept(kept: KeptSheet) -> Signed:
    """The sheet's bytes, as they were signed."""
    return Signed(kept.content.encode(), base64.b64decode(kept.signature), kept.certificate.encode("ascii"))


def _texts(signed: Signed) -> dict[str, str]:
    detail = signed.as_detail()
    return {"content": detail["sheet"], "signature": detail["signature"], "certificate": detail["certificate"]}
