"""Five lamps and a buzzer that a technician and a driver can read: what is so, to what blinks. Pure.

A pattern is (on, off, on, off …) in seconds, from the beginning again after its end; a sound is the same, once.
"""

from dataclasses import dataclass
from typing import Final

Pattern = tuple[float, ...]

DARK: Final[Pattern] = (0.0, 1.0)
STEADY: Final[Pattern] = (1.0, 0.0)
SLOW: Final[Pattern] = (1.0, 1.0)
FAST: Final[Pattern] = (0.2, 0.2)
FLASH: Final[Pattern] = (0.1, 1.9)
DOUBLE: Final[Pattern] = (0.1, 0.2, 0.1, 1.6)

SILENT: Final[Pattern] = ()
TAKEN: Final[Pattern] = (0.1, 0.1, 0.1)  # the button was felt
ACKNOWLEDGED: Final[Pattern] = (0.8, 0.3, 0.8, 0.3, 0.8)  # a person at the centre has it

LAMPS: Final = ("power", "gnss", "network", "backlog", "fault")
BACKLOG_ROWS: Final = 60  # about ten minutes of records: more than a tunnel leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What the lamps tell. `receiver`: it talks; `linked`: the centre has receipted something in this session."""

    receiver: bool = False
    fixed: bool = False
    linked: bool = False
    connected: bool = False
    rows: int = 0
    stored: bool = True  # the outbox takes records
    wires: bool = True  # every pin could be opened
    calling: bool = False  # somebody calls for help, and no person has acknowledged it
    parked: bool = False
    low: bool = False


def patterns(signs: Signs) -> dict[str, Pattern]:
    """What each lamp of LAMPS does."""
    return {
        "power": SLOW if signs.low else FLASH if signs.parked else STEADY,
        "gnss": STEADY if signs.fixed else SLOW if signs.receiver else DARK,
        "network": STEADY if signs.linked else SLOW if signs.connected else DARK,
        "backlog": DARK if not signs.rows else FLASH if signs.rows <= BACKLOG_ROWS else SLOW,
        "fault": _fault(signs),
    }


def _fault(signs: Signs) -> Pattern:
    """The worst first."""
    if signs.calling:
        return FAST
    if not signs.stored:
        return STEADY
    return DOUBLE if not signs.wires or not signs.receiver else DARK


def lit(pattern: Pattern, at_s: float) -> bool:
    """Whether a lamp with this pattern is on at that instant; all lamps of a pattern blink together."""
    into_s, on = at_s % sum(pattern), True
    for length_s in pattern:
        if into_s < length_s:
            return on
        into_s, on = into_s - length_s, not on
    return False


def sounds(pattern: Pattern, for_s: float) -> bool | None:
    """Whether a buzzer that began the pattern so long ago is on; None when it has ended."""
    on = True
    for length_s in pattern:
        if for_s < length_s:
            return on
        for_s, on = for_s - length_s, not on
    return None
