"""The sheet for a printer or a phone: one HTML file that needs nothing else, in the reader's language."""

from __future__ import annotations

import base64
from html import escape
from typing import Final

import segno

from provisioning.acceptance import words
from provisioning.acceptance.proof import Signed
from provisioning.acceptance.sheet import Line, Sheet
from provisioning.words import _, language
from settings.instants import utc_text

STYLE: Final = """
@page { size: A4; margin: 15mm }
body { font: 11pt/1.35 sans-serif; max-width: 180mm; margin: auto; padding: 4mm }
header { display: flex; justify-content: space-between; align-items: flex-start }
h1 { font-size: 18pt; margin: 0 0 2mm }
table { border-collapse: collapse; width: 100% }
td, th { border-bottom: 1px solid #bbb; padding: 1mm 2mm; text-align: left; vertical-align: top }
.failed { font-weight: bold } .skipped { color: #555 }
.todo td { border: 0; border-left: 3px solid #000 }
footer { font-size: 8pt; margin-top: 4mm; overflow-wrap: anywhere }
"""


def page(sheet: Sheet, signed: Signed) -> bytes:
    """The whole page, UTF-8."""
    title = f"{_(words.SAID['heading'])} {sheet.unit}"
    qr = segno.make(qr_text(sheet, signed), error="l", micro=False).svg_inline(scale=2.2)
    head = "".join(f"<div>{escape(name)}: <b>{escape(value)}</b></div>" for name, value in _head(sheet))
    columns = "".join(f"<th>{escape(_(words.SAID[name]))}</th>" for name in ("line", "measured", "limit", "result"))
    signed_by = f"{_(words.SAID['signed'])}. {_(words.SAID['scan'])}"
    rows = "\n".join(_row(line) for line in sheet.lines)
    return (
        f'<!DOCTYPE html>\n<html lang="{language()}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>\n"
        f"<header><div><h1>{escape(title)}</h1>{head}</div>{qr}</header>\n"
        f"<table><tr>{columns}</tr>\n{rows}\n</table>\n"
        f"<footer>{escape(signed_by)}<br>SHA-256 {signed.digest}</footer>"
        "</body></html>\n"
    ).encode()


def qr_text(sheet: Sheet, signed: Signed) -> str:
    """What the code says: unit, when, verdict, SHA-256 of the signed bytes (hex) and the signature (base64, DER)."""
    signature = base64.b64encode(signed.signature).decode()
    return f"pantau-sheet {sheet.unit} {utc_text(sheet.at_utc_ms)} {sheet.verdict} {signed.digest} {signature}"


def measured(line: Line) -> str:
    """What was measured, with its unit."""
    return "" if line.measured is None else f"{line.measured} {line.unit}".strip()


def limit(line: Line) -> str:
    """What it had to be."""
    return f"{_(words.BOUNDS[line.bound])} {line.limit} {line.unit}".strip() if line.bound else ""


def title(line: Line) -> str:
    """What a person calls it; with the name of the one it is of, where there are several."""
    named = _(words.TITLES[line.name]) if line.name in words.TITLES else line.name
    return f"{line.of}, {named}" if line.of else named


def todo(line: Line) -> str:
    """What to do about it, or why it was skipped; a sheet of another version may say what we have no words for."""
    return _(line.todo) if line.todo else ""


def _head(sheet: Sheet) -> list[tuple[str, str]]:
    by = sheet.by or _(words.SAID["unattended"])
    return [
        (_(words.SAID["result"]), _(words.VERDICTS[sheet.verdict])),
        (_(words.SAID["when"]), utc_text(sheet.at_utc_ms)),
        (_(words.SAID["by"]), by),
        (_(words.SAID["firmware"]), sheet.firmware),
        (_(words.SAID["took"]), f"{sheet.took_s:.0f} s"),
    ]


def _row(line: Line) -> str:
    verdict = escape(_(words.VERDICTS[line.verdict]))
    cells = [title(line), measured(line), limit(line)]
    shown = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    row = f'<tr class="{line.verdict}">{shown}<td>{verdict}</td></tr>'
    if not line.todo:
        return row
    return f'{row}\n<tr class="todo {line.verdict}"><td colspan="4">{escape(todo(line))}</td></tr>'
