"""From signs to a verdict that stays: a transition table over evidence, which is counted in seconds of video."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

HOLD_S: Final = 10.0  # a verdict stays at least as long: two pictures at one each 5 s
PROOF_S: Final = 40.0  # evidence of a possible sign that makes a verdict: longer than a lorry waits beside a pole
GAP_S: Final = 6.0  # between two pictures no more than this counts, whatever happened in between
MEMORY: Final = 0.5  # seconds of evidence forgotten in a second without a sign, times PROOF_S / 10


class Grade(Enum):
    """How fast a sign makes evidence: in 40, 15, 8, 5 and 1 s it is proven."""

    POSSIBLE = 1.0  # a lorry that waits could look like that
    LIKELY = 8 / 3  # one that passes could
    STRONG = 5.0  # a glare, a camera that focuses anew
    SURE = 8.0
    PROVEN = 40.0  # the sign itself has waited


@dataclass(frozen=True, slots=True)
class Sign:
    """What one picture lets suspect."""

    kind: str
    grade: Grade
    reason: str


class State(Enum):
    """What is told, and what is thought."""

    SEEING = "seeing"
    DOUBTING = "seeing is told, evidence of a fault grows"
    BLIND = "a fault is told"
    HEALING = "a fault is told, and no sign of it is left"


class Seen(Enum):
    """What a picture adds."""

    CLEAR = "no sign of a fault, evidence of earlier ones left"
    CLEARED = "no sign, and none for long enough"
    SIGN = "a sign"
    PROOF = "a sign, and the evidence is enough for a verdict that is not yet told"


# Rule: everything that changes what is told stands in this table; Told.add is the only reader.
TABLE: Final[dict[tuple[State, Seen], State]] = {
    (State.SEEING, Seen.CLEAR): State.SEEING,
    (State.SEEING, Seen.CLEARED): State.SEEING,
    (State.SEEING, Seen.SIGN): State.DOUBTING,
    (State.SEEING, Seen.PROOF): State.BLIND,
    (State.DOUBTING, Seen.CLEAR): State.DOUBTING,
    (State.DOUBTING, Seen.CLEARED): State.SEEING,
    (State.DOUBTING, Seen.SIGN): State.DOUBTING,
    (State.DOUBTING, Seen.PROOF): State.BLIND,
    (State.BLIND, Seen.CLEAR): State.HEALING,
    (State.BLIND, Seen.CLEARED): State.SEEING,
    (State.BLIND, Seen.SIGN): State.BLIND,
    (State.BLIND, Seen.PROOF): State.BLIND,  # of another kind: told anew
    (State.HEALING, Seen.CLEAR): State.HEALING,
    (State.HEALING, Seen.CLEARED): State.SEEING,
    (State.HEALING, Seen.SIGN): State.BLIND,
    (State.HEALING, Seen.PROOF): State.BLIND,
}
TELLS_FAULT: Final = frozenset({State.BLIND, State.HEALING})


class Told:
    """The state of one camera, and the evidence of each kind."""

    def __init__(self) -> None:
        self.state = State.SEEING
        self.kind = "seeing"
        self.since_s: float | None = None  # of what is told; None before the first picture
        self.evidence_s: dict[str, float] = {}
        self._last_s: float | None = None
        self._last_kinds: frozenset[str] = frozenset()
        self._clear_since_s: float | None = None

    def add(self, sign: Sign | None, at_s: float) -> bool:
        """Add what the picture of `at_s` showed; True when what is told changed. Time that goes back counts as none."""
        passed_s = 0.0 if self._last_s is None else min(GAP_S, max(0.0, at_s - self._last_s))
        self._last_s = at_s
        if self.since_s is None or at_s < self.since_s:
            self.since_s = at_s
        self._weigh(sign, passed_s)
        self._clear_since_s = None if sign else at_s if self._clear_since_s is None else min(self._clear_since_s, at_s)
        seen = self._seen(sign, at_s)
        if (self.state in TELLS_FAULT and seen is Seen.PROOF) or self.state not in TELLS_FAULT:
            kind = self._heaviest()
        else:
            kind = self.kind
        self.state = TABLE[self.state, seen]
        told = kind if self.state in TELLS_FAULT else "seeing"
        if told == self.kind:
            return False
        self.kind, self.since_s = told, at_s
        if told == "seeing":
            self.evidence_s.clear()
        return True

    def _weigh(self, sign: Sign | None, passed_s: float) -> None:
        kinds = frozenset((sign.kind,)) if sign else frozenset()
        for kind in list(self.evidence_s):
            if kind not in kinds:
                self.evidence_s[kind] -= MEMORY * passed_s * (PROOF_S / 10)
                if self.evidence_s[kind] <= 0:
                    del self.evidence_s[kind]
        if sign:
            # What lay between two pictures counts only when both showed something: a lorry passes between them.
            counted_s = passed_s if self._last_kinds else 0.0
            grown_s = self.evidence_s.get(sign.kind, 0.0) + counted_s * sign.grade.value
            self.evidence_s[sign.kind] = min(grown_s, 2 * PROOF_S)
        self._last_kinds = kinds

    def _heaviest(self) -> str:
        return max(self.evidence_s, key=lambda kind: self.evidence_s[kind], default=self.kind)

    def _seen(self, sign: Sign | None, at_s: float) -> Seen:
        held = self.since_s is None or at_s - self.since_s >= HOLD_S
        if sign is None:
            clear_s = 0.0 if self._clear_since_s is None else at_s - self._clear_since_s
            if self.state in TELLS_FAULT:
                return Seen.CLEARED if held and clear_s >= HOLD_S else Seen.CLEAR
            return Seen.CLEAR if self.evidence_s else Seen.CLEARED
        heaviest = self._heaviest()
        if held and heaviest != self.kind and self.evidence_s.get(heaviest, 0.0) >= PROOF_S:
            return Seen.PROOF
        return Seen.SIGN
