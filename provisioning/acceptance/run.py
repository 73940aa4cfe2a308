"""One whole check: probe after probe within ten minutes, then signed, saved and on its way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.config import FIRMWARE
from provisioning.acceptance import filing, words
from provisioning.acceptance.config import LONGEST_S
from provisioning.acceptance.post import SHEET, Connect, NotDelivered, Post
from provisioning.acceptance.proof import Signed, sign
from provisioning.acceptance.sheet import Line, Sheet, skipped, to_bytes
from provisioning.x509 import Key

DELIVERY_S: Final = 30.0
AT_ONCE_S: Final = 20.0  # a probe that waits for nothing; a card may be slow
ONCE_MORE_S: Final = 5.0  # the centre has not answered a minute ago: the technician does not wait for it twice


@dataclass(frozen=True, slots=True)
class Probe:
    """Something to look at: `look(seconds)` takes no longer than that and gives its lines."""

    name: str
    within_s: float
    look: Callable[[float], list[Line]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Whose sheet it is: the unit, who checked it ("" = nobody, by a timer), and what it is signed with."""

    unit: str
    by: str
    attended: bool
    key: Key
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """A finished check; `why_kept` is "" when the centre has the sheet."""

    sheet: Sheet
    signed: Signed
    path: Path
    why_kept: str


def check(
    probes: Iterable[Probe],
    who: Who,
    *,
    begin: Callable[[Probe], None],
    found: Callable[[Line], None],
    longest_s: float = LONGEST_S - DELIVERY_S,
) -> Sheet:
    """Look at everything, in order; what there is no time for any more is skipped. Tells each line as it is found."""
    at_utc_ms, begun_s = time.time_ns() // 1_000_000, time.monotonic()
    lines: list[Line] = []
    for probe in probes:
        left_s = begun_s + longest_s - time.monotonic()
        begin(probe)
        taken = probe.look(min(probe.within_s, left_s)) if left_s > 0 else [skipped(probe.name, words.TIME_OVER)]
        for line in taken:
            found(line)
        lines += taken
    return Sheet(
        unit=who.unit,
        at_utc_ms=at_utc_ms,
        took_s=round(time.monotonic() - begun_s, 1),
        firmware=FIRMWARE,
        attended=who.attended,
        by=who.by,
        lines=tuple(lines),
    )


def conclude(sheet: Sheet, who: Who, folder: Path, post: Post, connect: Connect) -> Done:
    """Sign and save the sheet, and give it to the centre; from `post.put` on it is not lost any more."""
    signed = sign(to_bytes(sheet), who.key, who.certificate)
    path = filing.save(folder, sheet, signed)
    post.put(SHEET, {"verdict": sheet.verdict, **signed.as_detail()})
    answered = any(line.name == "centre_receipt" and line.verdict == "passed" for line in sheet.lines)
    try:
        post.deliver(connect, DELIVERY_S if answered else ONCE_MORE_S)
    except NotDelivered as error:
        return Done(sheet, signed, path, str(error))
    return Done(sheet, signed, path, "")
