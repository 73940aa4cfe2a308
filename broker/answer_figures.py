"""What the part `answers` counts, and its figures."""

from __future__ import annotations

from collections import Counter
from typing import Final

from broker.figure import Figure, Histogram, by, counter, gauge, histogram

ANSWERED: Final = "answered"
REFUSED: Final = "refused"
NOBODY: Final = "nobody"
DROPPED: Final = "dropped"
# A look into the store of 10,000 assets is the longest part of it: tenths of a second, once a second at most.
ANSWER_BOUNDS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)


class Answered:
    """Counts over all connections and stores of one process; any thread may read.

    `dropped` is the network thread's to write, all else belongs to the thread that answers.
    """

    def __init__(self) -> None:
        self.connected = False
        self.questions: Counter[str] = Counter({ANSWERED: 0, REFUSED: 0, NOBODY: 0})
        self.dropped = self.waiting = self.store_failures = 0
        self.answer_s = Histogram(ANSWER_BOUNDS_S)
        self.answered_mono_s: float | None = None


def answer_figures(told: Answered, now_mono_s: float) -> list[Figure]:
    """All that it counts."""
    since = told.answered_mono_s
    return [
        gauge("pantau_answers_connected", "1 while its connection to the broker stands", told.connected),
        counter(
            "pantau_answers_questions_total", "Questions heard, by what became of them",
            by({**told.questions, DROPPED: told.dropped}), "outcome",
        ),
        counter("pantau_answers_store_failures_total", "Times the store did not answer", told.store_failures),
        gauge("pantau_answers_waiting_questions", "Questions heard and not looked at yet", told.waiting),
        gauge(
            "pantau_answers_since_answer_seconds", "Since somebody was last answered; grows in silence, too",
            None if since is None else max(0.0, now_mono_s - since),
        ),
        histogram("pantau_answers_answer_seconds", "From hearing a question to handing over its answer", told.answer_s),
    ]  # fmt: skip
