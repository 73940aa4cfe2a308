"""Tables for people, of which nothing is cut off: an outbox's id is there to be copied, on a narrow terminal too."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import RenderableType

_WIDEST_COLUMNS: Final = 400  # a table is as wide as what is in it; a narrower terminal breaks its lines


def print_table(table: "RenderableType") -> None:
    """Print it on standard output as wide as its cells are, whatever standard output is."""
    from rich.console import Console

    Console(width=_WIDEST_COLUMNS).print(table)
