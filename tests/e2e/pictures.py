"""Pictures for the pages: what a terminal showed as an SVG, and labels as they are cut from their sheet.

Nothing in them is fetched from anywhere: no font, no link.
"""

from __future__ import annotations

import io
import re
from typing import Final
from xml.etree import ElementTree

from rich.console import Console
from rich.text import Text

WIDEST: Final = 116  # columns
COLUMN_PX: Final = 12.2  # rich's, of its 20 px letters
# rich's own (`rich._export_format`) without the fonts that it would fetch.
FORMAT: Final = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; line-height: {line_height}px }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
"""
LABEL: Final = re.compile(r'<svg [^>]*width="70mm" height="37mm"')


def drawn(lines: list[str], title: str, *, widest: int = WIDEST) -> str:
    """A terminal with these lines on it, in the colours that they ask for; a line beyond `widest` columns is folded."""
    texts = [Text.from_ansi(line) for line in lines]
    for text in texts:
        text.rstrip()
    width = min(max(text.cell_len for text in texts) + 1, widest)
    console = Console(record=True, width=width, file=io.StringIO(), color_system=None)
    for text in texts:
        console.print(text, no_wrap=False, overflow="fold")
    picture = console.export_svg(title=title, code_format=FORMAT, unique_id="screen")
    return re.sub(r"[ \t]+$|(?<=>)\s*\n\s+(?=<)", "", picture, flags=re.MULTILINE)


def seen_in(picture: str) -> list[str]:
    """The lines of such a picture, without its title; a wrapped line is more than one."""
    lines: dict[float, str] = {}
    for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text"):
        if not element.get("class", "").endswith("-title"):
            y, column = float(element.get("y", "0")), round(float(element.get("x", "0")) / COLUMN_PX)
            lines[y] = lines.get(y, "").ljust(column) + (element.text or "")  # blanks have no element of their own
    return [lines[y].replace("\u00a0", " ").rstrip() for y in sorted(lines)]


def cut_from(page: str) -> str:
    """The first row of a sheet of labels (HTML) as one picture."""
    begins = [found.start() for found in LABEL.finditer(page)][:3]
    ends = [*begins[1:], page.index("</section>")]
    cells = [page[begin:end] for begin, end in zip(begins, ends, strict=True)]
    placed = [
        f'<rect x="{70 * n + 0.5}" y="0.5" width="69" height="36" rx="2" fill="#fff" stroke="#bbb" stroke-width="0.3"/>'
        + cell.replace('width="70mm" height="37mm"', f'x="{70 * n}" y="0" width="70" height="37"', 1)
        for n, cell in enumerate(cells)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {70 * len(cells)} 37" width="{210 * len(cells)}">'
        + "".join(placed)
        + "</svg>\n"
    )
