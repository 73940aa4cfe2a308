"""What makes two crashes the same finding: the exception, and where in our code it came from."""

from __future__ import annotations

import traceback
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


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
    text = "".join(traceback.format_exception(error))
    return text.replace(f"{REPOSITORY}/", "")
