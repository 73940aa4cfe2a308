"""A finding made small: `python -m fuzz.minimise TARGET FILE OUT` writes OUT and the traceback to OUT.txt."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fuzz.signature import signature, told
from fuzz.targets import target

WITHIN_S = 20.0  # most findings are a few bytes by then


def fails_with(hold: Callable[[bytes], None], data: bytes) -> BaseException | None:
    """The exception that `hold` lets out, None when the promise holds."""
    try:
        hold(data)
    except Exception as error:  # noqa: BLE001 (that is what is looked for)
        return error
    return None


def minimised(data: bytes, same: Callable[[bytes], bool], within_s: float = WITHIN_S) -> bytes:
    """The shortest input that leaving out pieces leads to, and that is still the `same` finding."""
    until_s, size = time.monotonic() + within_s, max(1, len(data) // 2)
    while time.monotonic() < until_s:
        at, shorter = 0, False
        while at < len(data) and time.monotonic() < until_s:
            tried = data[:at] + data[at + size :]
            if same(tried):
                data, shorter = tried, True
            else:
                at += size
        if size == 1 and not shorter:
            break
        size = size if shorter else max(1, size // 2)
    return data


def main(argv: list[str]) -> int:
    """Print the finding's signature as JSON, null when the input alone does not fail (then nothing is written)."""
    name, file, out = argv
    hold, data = target(name).hold, Path(file).read_bytes()
    error = fails_with(hold, data)
    if error is None:
        print("null")
        return 0
    wanted = signature(error)

    def same(tried: bytes) -> bool:
        found = fails_with(hold, tried)
        return found is not None and signature(found) == wanted

    data = minimised(data, same)
    error = fails_with(hold, data) or error
    Path(out).write_bytes(data)
    Path(out + ".txt").write_text(f"{wanted}\n\n{told(error)}", "utf-8")
    print(json.dumps(wanted))
    return 0


if __name__ == "__main__":
    logging.disable()  # of the whole process: damage is said loudly, hundreds of times here
    sys.exit(main(sys.argv[1:]))
