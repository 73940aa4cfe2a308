"""Labels: a QR code and words, for the terminal, as SVG, or as a sheet that any browser prints. Alone imports segno."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import segno

from provisioning.words import _, language

# A sheet of 24 labels of 70 × 37 mm, without margins: sold everywhere, e.g. as Avery 3474.
WIDTH_MM: Final = 70
HEIGHT_MM: Final = 37
COLUMNS: Final = 3
ROWS: Final = 8
PAGE: Final = COLUMNS * ROWS
_QR_MM: Final = 33  # a ticket has 45 modules and a quiet zone of 4: 0.6 mm each, ten dots of a label printer
_MARGIN_MM: Final = 2
_TEXT_MM: Final = WIDTH_MM - _QR_MM - 2 * _MARGIN_MM
_LETTER: Final = 0.62  # width of a bold sans-serif letter, of its height

_STYLE: Final = f"""@page {{ size: A4; margin: 0 }}
body {{ margin: 0 }}
section {{ display: grid; grid-template-columns: repeat({COLUMNS}, {WIDTH_MM}mm); grid-auto-rows: {HEIGHT_MM}mm;
  break-after: page }}
svg {{ display: block }}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One label: the box's name, what the QR code says, and the lines beside it."""

    unit: str
    qr: str
    lines: tuple[str, ...] = ()


def terminal(label: Label) -> str:
    """For a terminal: the QR code in half blocks, and the words under it."""
    out = io.StringIO()
    _code(label).terminal(out, compact=True, border=2)
    return out.getvalue() + "\n".join((label.unit, *label.lines)) + "\n"


def svg(label: Label) -> str:
    """One label as SVG of its real size."""
    square = _code(label).svg_inline(border=4, omitsize=True, svgclass=None, lineclass=None)
    square = square.replace("<svg ", f'<svg x="0" y="{_MARGIN_MM}" width="{_QR_MM}" height="{_QR_MM}" ', 1)
    left, lines = _QR_MM + _MARGIN_MM, [(label.unit, 5.0, "bold"), *((line, 3.4, "normal") for line in label.lines)]
    y, words = 9.0, []
    for text, height, weight in lines:
        size = min(height, _TEXT_MM / (_LETTER * max(len(text), 1)))
        words.append(f'<text x="{left}" y="{y:g}" font-size="{size:.2f}" font-weight="{weight}">{escape(text)}</text>')
        y += 5.5
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_MM}mm" height="{HEIGHT_MM}mm" '
        f'viewBox="0 0 {WIDTH_MM} {HEIGHT_MM}" font-family="sans-serif">{square}{"".join(words)}</svg>'
    )


def sheet(labels: Sequence[Label]) -> str:
    """All of them on sheets of A4, as one page of HTML with nothing outside of it."""
    title = escape(_("pantau labels"))
    pages = (
        f"<section>{''.join(svg(label) for label in page)}</section>"
        for page in (labels[first : first + PAGE] for first in range(0, len(labels), PAGE))
    )
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="{language()}"><head>{head}</head><body>{"".join(pages)}</body></html>\n'


def _code(label: Label) -> segno.QRCode:
    return segno.make_qr(label.qr, error="m")
