"""Tables for people, of which nothing is cut off: an outbox's id is there to be copied, on a narrow terminal too.

What stands in them has been said by boxes and consumers. So every text is shown as it is, never read as markup; what is
ours and has a colour is a `rich.text.Text`, or has a style.
"""

from typing import Any, Final

from rich.console import Console, RenderableType
from rich.text import Text

from pantau.plain import plain

_WIDEST_COLUMNS: Final = 400  # a table is as wide as what is in it; a narrower terminal breaks its lines


class PlainConsole(Console):
    """A console to which a text is data: `[x]` is no markup, `:x:` no picture, and an ESC is shown and not obeyed."""

    def render_str(self, text: str, **how: Any) -> Text:
        """Every text of a table comes by here, to be measured and to be shown."""
        return super().render_str(plain(text), **{**how, "markup": False, "emoji": False, "highlight": False})


def print_table(table: RenderableType) -> None:
    """Print it on standard output as wide as its cells are, whatever standard output is."""
    PlainConsole(width=_WIDEST_COLUMNS).print(table)
