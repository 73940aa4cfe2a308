"""What a person reads, in that person's language: `_("…")` through gettext, from `locale/LANGUAGE/LC_MESSAGES/*.po`.

The catalogues are read as translators write them (.po), so that nothing compiled has to be kept in step.
"""

from __future__ import annotations

import gettext
import io
import os
from functools import cache
from pathlib import Path
from typing import Final

import polib

CATALOGUES: Final = Path(__file__).parent / "locale"
DOMAIN: Final = "pantau-provision"
SOURCE: Final = "en"  # what the code itself says
VARIABLES: Final = ("PANTAU_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")  # the first that says something


def languages() -> list[str]:
    """Language codes there are, ISO 639: the source's, and one for each catalogue."""
    return [SOURCE, *sorted(each.name for each in CATALOGUES.iterdir() if each.is_dir())]


def language() -> str:
    """The person's language by the environment; the source's when there is no catalogue for it."""
    wanted = next((said for name in VARIABLES if (said := os.environ.get(name))), SOURCE)
    code = wanted.split(".")[0].split("_")[0].lower()
    return code if code in languages() else SOURCE


def translated(text: str, into: str) -> str:
    """`text` in the language `into`; as it is when its catalogue has no translation of it."""
    return _catalogue(into).gettext(text)


def _(text: str) -> str:
    """`text` in the person's language. Values are put in afterwards: `_("{unit} is enrolled").format(unit=unit)`."""
    return translated(text, language())


@cache
def _catalogue(code: str) -> gettext.NullTranslations:
    path = CATALOGUES / code / "LC_MESSAGES" / f"{DOMAIN}.po"
    if not path.exists():
        return gettext.NullTranslations()
    return gettext.GNUTranslations(io.BytesIO(polib.pofile(str(path)).to_binary()))
