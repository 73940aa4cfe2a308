"""What makes two crashes the same finding: the exception, and where in our code it came from."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
# Where Python and its packages are installed; what stands behind it is the same on every machine.
_INSTALLED = re.compile(r'/[^"\s]*/lib/python3\.\d+/(?:site-packages/)?')


def signature(error: BaseException) -> str:
    """`ValueError edge/gps_unit/dates.py:17`: the exception, and the innermost line that is of this repository."""
    return f"{type(error).__name__} {place(error)}"


def place(error: BaseException) -> str:
    """The innermost line of this repository, as file:line; empty when there is none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if file.is_relative_to(REPOSITORY):
            return f"{file.relative_to(REPOSITORY)}:{frame.lineno}"
    return ""


def told(error: BaseException) -> str:
    """The traceback with paths of this repository, and none of the machine it was found on."""
    return anywhere("".join(traceback.format_exception(error)))


def anywhere(text: str) -> str:
    """A traceback's text without the folders of this machine."""
    return _INSTALLED.sub("", text.replace(f"{REPOSITORY}/", ""))
