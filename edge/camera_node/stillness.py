"""Whether the content of a live stream stands still: a sensor has noise, a picture shown again has none of its own.

What is compared is the picture at which the stillness began, not the one before: what lives drifts away from it (noise,
light, the next keyframe), what is shown again stays as near to it as the encoder's quantiser lets it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.camera_node.frames import CELLS, change

PROVEN_S: Final = 15.0  # longer than the 10 s between keyframes that the laziest encoders are set to
PROVEN_MOST_S: Final = 40.0  # so that a frozen picture is still told within a minute
UNKNOWN: Final = (
    0.1  # levels of mean change in a cell below which it is still, as long as the usual change is not known
)
QUIET: Final = (
    0.45  # share of this camera's usual change below which a cell is still: an encoder's rate control breathes
)
QUIET_LEAST: Final = 0.02  # levels: the same but for rounding
QUIET_MOST: Final = 1.0
KEYFRAME_MOST: Final = 1.5  # levels by which a cell may differ from one keyframe of the same picture to the next
CLOCK_SHARE: Final = (
    0.08  # of the view: all places that a burnt-in clock changes, and what an encoder predicts from them
)
CLOCK_ROWS: Final = 7  # cells: a clock has one line of text, or two


class Stillness:
    """Follows one camera's luma."""

    def __init__(self, usual_change: float = 0.0, longest_s: float = 0.0) -> None:
        self.usual_change = usual_change  # levels, median over the view, between two judged pictures
        self.longest_s = longest_s  # the longest stillness that ended by itself before it was told
        self.change = 0.0  # median, from the picture before
        self.clock = False  # a small place goes on changing
        self._first: NDArray[np.uint8] | None = None
        self._before: NDArray[np.uint8] | None = None
        self._first_s = 0.0
        self._pictures = 0
        self._changed = np.zeros(CELLS, np.bool_)

    def see(self, luma: NDArray[np.uint8], at_s: float) -> float:
        """Seconds for which the content has stood still; 0 when it does not."""
        if self._before is not None:
            self.change = float(np.median(change(self._before, luma)))
        self._before = luma
        if self._first is None or at_s < self._first_s or not self._same(luma):
            self._restart(luma, at_s)
            return 0.0
        self._pictures += 1
        return at_s - self._first_s if self._pictures >= 3 else 0.0

    def proven(self, still_s: float) -> bool:
        """Whether so long a stillness is none that this camera has ever shown while it lived."""
        return still_s >= max(PROVEN_S, min(PROVEN_MOST_S, 2 * self.longest_s))

    def _same(self, luma: NDArray[np.uint8]) -> bool:
        assert self._first is not None
        usual = self.usual_change
        limit = max(QUIET_LEAST, min(QUIET_MOST, QUIET * usual)) if usual else UNKNOWN
        now = change(self._first, luma)
        # An encoder that has a clock to draw spreads its bits anew from keyframe to keyframe, here and there a little.
        changed = self._changed | (now > max(2 * limit, KEYFRAME_MOST))
        if max((now > limit).mean(), changed.mean()) > CLOCK_SHARE:
            return False
        if np.count_nonzero(changed.any(axis=1)) > CLOCK_ROWS:
            return False
        self._changed, self.clock = changed, bool(changed.any())
        return True

    def _restart(self, luma: NDArray[np.uint8], at_s: float) -> None:
        if self._first is not None:
            still_s = at_s - self._first_s
            if self._pictures >= 3 and not self.proven(still_s):
                self.longest_s = max(self.longest_s, still_s)
            self.usual_change += (self.change - self.usual_change) * (0.02 if self.usual_change else 0.5)
        self._first, self._first_s, self._pictures = luma, at_s, 1
        self._changed, self.clock = np.zeros(CELLS, np.bool_), False
