"""A link as it was counted: how many exchanges with silence between, how many bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from stage.namespace import Counted, Link

QUIET_S: Final = 3.0  # silence that tells two exchanges apart
LOOK_EVERY_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Seen:
    """What went over a link in the measured time."""

    exchanges: int
    counted: Counted

    @property
    def each_bytes(self) -> float:
        return self.counted.bytes / self.exchanges if self.exchanges else 0.0


def watch(links: Sequence[Link], seconds: float, *, meanwhile: Callable[[], None] = lambda: None) -> list[Seen]:
    """Count each link for so long, and tell its exchanges apart by the silence between them; `meanwhile` is quick."""
    began = [link.counted() for link in links]
    last, changed_s = list(began), [float("-inf")] * len(links)
    exchanges = [0] * len(links)
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        time.sleep(LOOK_EVERY_S)
        meanwhile()
        for index, link in enumerate(links):
            now, now_s = link.counted(), time.monotonic()
            if now != last[index]:
                exchanges[index] += now_s - changed_s[index] > QUIET_S
                last[index], changed_s[index] = now, now_s
    return [Seen(count, now.since(then)) for count, now, then in zip(exchanges, last, began, strict=True)]
