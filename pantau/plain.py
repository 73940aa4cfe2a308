"""Texts that boxes, cameras or consumers have made, as a terminal may show them: data, and never a command."""


def plain(text: str) -> str:
    r"""What is not printable as its escape: `\x1b` for an ESC, which would move the cursor or clear the screen."""
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
