"""One target under libFuzzer in a process of its own: `python -m fuzz.worker TARGET [--known=SIGNATURE] [-option]`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

import atheris

if TYPE_CHECKING:
    from fuzz.forms import Mutation
    from fuzz.targets import Target

# Where edges are counted. Imports of these before this list is read would not be seen: keep this file's own few.
INSTRUMENTED = (
    *("wire", "running", "settings", "edge", "broker", "provisioning", "pantau"),
    *("tomllib", "json", "csv", "tinydb"),
)

FORMED = 0.5


def apart_from(hold: Callable[[bytes], None], known: set[str]) -> Callable[[bytes], None]:
    """`hold`, silent about findings that have been told already, so that the next one can be found."""
    from fuzz.signature import signature

    def hold_or_know(data: bytes) -> None:
        try:
            hold(data)
        except Exception as error:
            if signature(error) not in known:
                raise

    return hold_or_know


def mutator(chosen: Target) -> Callable[[bytes, int, int], bytes]:
    """Half of the inputs are changed in their form, where the target has one; the others byte by byte."""
    form: Mutation | None = getattr(chosen, "form", None)

    def mutated(data: bytes, max_size: int, seed: int) -> bytes:
        random = Random(seed)
        if form is not None and random.random() < FORMED:
            try:
                return form(bytes(data), random)[:max_size]
            except ValueError:
                pass  # not of the form (any more)
        changed: bytes = atheris.Mutate(data, max_size)
        return changed

    return mutated


def main(argv: list[str]) -> None:
    """Fuzz until libFuzzer ends the process."""
    name, *rest = argv
    known = {option.partition("=")[2] for option in rest if option.startswith("--known=")}
    options = [option for option in rest if not option.startswith("--known=")]
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        from fuzz.targets import target

        chosen = target(name)
    logging.disable()  # damage is said loudly, thousands of times here
    atheris.Setup([sys.argv[0], *options], apart_from(chosen.hold, known), custom_mutator=mutator(chosen))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
