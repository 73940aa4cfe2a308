"""A sheet that is taken is signed by the box it names, comes back the same, and makes a page that runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from html.parser import HTMLParser
from typing import Any

from fuzz.box import NOW_UTC_MS
from fuzz.forms import json_changed
from provisioning.acceptance import words
from provisioning.acceptance.page import page
from provisioning.acceptance.proof import Signed, from_detail, prove, sign
from provisioning.acceptance.sheet import Line, Sheet, SheetError, from_bytes, skipped, to_bytes
from provisioning.x509 import Identity, Key, authority, certificate, life, new_key

MAX_BYTES = 4096
_YEAR = timedelta(days=365)
UNIT = "box-1"
form = json_changed
_TAGS = {"html", "head", "meta", "title", "style", "body", "header", "div", "h1", "b", "svg", "path", "table", "tr"}
_TAGS |= {"td", "th", "footer", "br"}


def hold(data: bytes) -> None:
    """The sheet as it came, signed by the box (its key does what it is told) and by nobody."""
    forged = from_detail({**_honest().as_detail(), "sheet": data.decode("utf-8", "replace")})
    if forged.content != _honest().content:
        try:
            prove(forged)
        except SheetError:
            pass
        else:
            raise AssertionError("taken, though the box has not signed it")
    try:
        sheet = from_bytes(data)
    except SheetError:
        return
    content = to_bytes(sheet)
    assert from_bytes(content) == sheet
    key, own = _box()
    try:
        signed = sign(content, key, own)
    except SheetError:
        assert sheet.unit != UNIT, "the box's own sheet"
        return
    tags = _Tags()
    tags.feed(page(sheet, signed).decode())
    assert tags.found <= _TAGS


class _Tags(HTMLParser):
    """Which elements a browser would make of it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Note it, and that nothing of it runs by itself."""
        assert not any(name.startswith("on") or name in ("href", "src") for name, _ in attrs)
        self.found.add(tag)


@cache
def _box() -> tuple[Key, bytes]:
    root_key, key = new_key(), new_key()
    root = authority("fuzz", root_key, life(_YEAR))
    return key, certificate(Identity(name=UNIT, role="unit"), key.public_key(), root, root_key, life(_YEAR))


@cache
def _honest() -> Signed:
    return sign(to_bytes(_sheet()), *_box())


def _sheet() -> Sheet:
    lines = (
        Line(name="gnss_satellites", verdict="passed", measured=9, bound="at least", limit=6),
        Line(name="gnss_fix", verdict="failed", unit="s", bound="at most", limit=150.0, todo=words.NO_FIX),
        skipped("input_pto", words.NOT_WIRED),
    )
    return Sheet(unit=UNIT, at_utc_ms=NOW_UTC_MS, took_s=71.5, firmware="0.1.0", attended=True, by="Siti", lines=lines)


def seeds() -> Mapping[str, bytes]:
    """A whole sheet, one whose words would be markup, and another box's."""
    whole = to_bytes(_sheet())
    return {
        "whole": whole,
        "markup": whole.replace(b'"Siti"', b'"<script>x</script>"').replace(b"gnss_fix", b"<img src=x>"),
        "another-box": whole.replace(b'"box-1"', b'"box-2"'),
        "no-verdict": whole.replace(b'"verdict":"failed"}', b"}"),
        "half-a-character": whole.replace(b'"Siti"', b'"\\ud800"'),
        "endless": whole.replace(b'"measured":9', b'"measured":1e999'),
        "year-10000": whole.replace(str(NOW_UTC_MS).encode(), b"253402300800000"),
    }
