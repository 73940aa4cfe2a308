"""How a scenario ended: its account in figures, and every claim with whether it held. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Claim(NamedTuple):
    """Something that had to be true, whether it was, and what was seen."""

    what: str
    held: bool
    seen: str = ""


@dataclass(slots=True, kw_only=True)
class Report:
    """The end of one scenario. Epochs: put in, due (I1), stored, twice, missing; records: shed by reason.

    `missing`: due, not stored, and nobody says so. `named`: due, not stored, and told: by a tombstone, by a health
    record's count, or by the ledger.
    `recover_s`: from the end of the fault until all that had been put in before it was stored; None: never.
    `again`: it broke in the crowd of other scenarios, and was run once more, alone.
    """

    scenario: str
    promise: str
    seed: int
    took_s: float = 0.0
    put_in: int = 0
    due: int = 0
    stored: int = 0
    twice: int = 0
    missing: int = 0
    named: int = 0
    unobserved: int = 0
    shed: dict[str, int] = field(default_factory=dict)
    recover_s: float | None = None
    up_bytes: int = 0
    down_bytes: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    skipped: str = ""
    error: str = ""
    again: bool = False

    @property
    def holds(self) -> bool:
        """Whether the promise held; what proved nothing does not hold."""
        return not self.error and (bool(self.skipped) or (bool(self.claims) and all(c.held for c in self.claims)))

    @property
    def forgivable(self) -> bool:
        """Whether it may be run once more: nothing is missing or twice, so what broke may be the machine's pace."""
        return not self.holds and not self.missing and not self.twice

    def broken(self) -> list[Claim]:
        """What did not hold."""
        return [c for c in self.claims if not c.held]


def exit_code(reports: Sequence[Report]) -> int:
    """0 when every promise held, 1 when one did not."""
    return 0 if reports and all(r.holds for r in reports) else 1
