"""One file a target: MAX_BYTES, `hold(data)` that asserts its promise, `seeds()` by name, and maybe a `form`.

A target needs no fuzzer: tests/fuzz runs each over every kept input. Its promise is its docstring's first line.
Whatever `hold` lets out (an exception it did not expect, a failed assertion) is a finding. `form` (fuzz/forms.py)
changes an input so that it stays one that the parser reads to its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast


class Target(Protocol):
    """What each module here is."""

    MAX_BYTES: int  # the longest input worth trying

    def hold(self, data: bytes) -> None:
        """Feed `data` to the parser; raises when the promise does not hold."""

    def seeds(self) -> Mapping[str, bytes]:
        """Inputs to begin with, by name, made by our own encoders."""


def names() -> list[str]:
    """Every target's name."""
    return sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py"))


def target(name: str) -> Target:
    """The target of that name."""
    return cast("Target", import_module(f"{__name__}.{name}"))
