"""Somebody in the cab calls for help: said again and again until a person at the centre has acknowledged it. Pure.

The outbox brings each saying to the store; that a *person* has it is another thing, and only a command that names one
ends the call. What is kept survives a reboot: a call that nobody acknowledged goes on, and an acknowledgement that the
driver has not heard yet is sounded then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

REPEAT_FIRST_S: Final = 10.0  # a dispatcher looks up within seconds
REPEAT_LONGEST_S: Final = 300.0  # 288 records of 60 bytes a day without a link
LONGEST_BY: Final = 60


@dataclass(frozen=True, slots=True)
class Call:
    """A call: its id, how often it was said, and who has acknowledged it (then only the driver has yet to hear it)."""

    id: str
    times: int = 0
    by: str | None = None

    def kept(self) -> dict[str, Any]:
        """JSON-able; `restored` takes it."""
        return {"id": self.id, "times": self.times, "by": self.by}


def restored(kept: object) -> Call | None:
    """The call that was kept; None when there is none, or it makes no sense (a card's worn bits)."""
    match kept:
        case {"id": str(call), "times": int(times), "by": None | str() as by}:
            return Call(call, max(0, times), by) if _sound(call) and (by is None or _sound(by)) else None
    return None


def _sound(text: str) -> bool:
    return 0 < len(text) <= LONGEST_BY and text.isprintable()


class Sos:
    """The box's one call; times are monotonic seconds."""

    def __init__(self, kept: object = None) -> None:
        self.call = restored(kept)
        self._due_s = float("-inf")  # after a start: at once

    @property
    def calling(self) -> bool:
        """Somebody called, and no person has acknowledged it."""
        return self.call is not None and self.call.by is None

    @property
    def to_be_heard(self) -> bool:
        """A person has acknowledged it, and the driver does not know yet."""
        return self.call is not None and self.call.by is not None

    def pressed(self, call_id: str, now_s: float) -> None:
        """The button: a new call; while one goes on it is said at once again, under the same id."""
        if not self.calling:
            self.call = Call(call_id)
        self._due_s = now_s

    def due(self, now_s: float) -> Call | None:
        """The call to say now, if it is time; it counts as said."""
        if self.call is None or not self.calling or now_s < self._due_s:
            return None
        self.call = Call(self.call.id, self.call.times + 1)
        self._due_s = now_s + min(REPEAT_LONGEST_S, REPEAT_FIRST_S * 2.0 ** min(self.call.times - 1, 16))
        return self.call

    def acknowledged(self, arguments: Mapping[str, Any]) -> Call:
        """A command's arguments, `call` and `by`; the call that has ended. ValueError says why it does not."""
        call_id, by = arguments.get("call"), arguments.get("by")
        if not isinstance(by, str) or not _sound(by.strip()):
            raise ValueError(f"by: wanted who acknowledges it, 1 to {LONGEST_BY} letters")
        if self.call is None or not self.calling or call_id != self.call.id:
            raise ValueError("no such call is open here")
        self.call = Call(self.call.id, self.call.times, by.strip())
        return self.call

    def heard(self) -> None:
        """The driver has been told."""
        if self.to_be_heard:
            self.call = None
