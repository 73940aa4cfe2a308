"""Every commit point of every program, gathered from the modules that name them, and how to have a child die there."""

from __future__ import annotations

from signal import SIGKILL
from typing import Final

import broker.committer
import broker.desk
import broker.presence
import broker.publisher
import broker.sink
import broker.store.intake
import broker.work.memory
import edge.desired
import edge.gps_unit.interval
import edge.memory
import edge.outbox
import edge.uplink
from stage.process import Child
from torture.dying import doomed, last_words

POINTS: Final[dict[str, tuple[str, ...]]] = {
    "gps_unit": (
        *edge.desired.POINTS,
        *edge.gps_unit.interval.POINTS,
        *edge.memory.POINTS,
        *edge.outbox.POINTS,
        *edge.uplink.POINTS,
    ),
    "bridge": (
        *broker.committer.POINTS,
        *broker.desk.POINTS,
        *broker.presence.POINTS,
        *broker.store.intake.POINTS,
    ),
    "publisher": broker.publisher.POINTS,
    "work": broker.work.memory.POINTS,
    "sink": broker.sink.POINTS,
}

# Passed only when a card is full, worn or of an older version, which no drive through a city brings about:
# tests/edge/test_outbox_killed.py makes each of these happen, and kills there; or when the centre wants another
# configuration: tests/edge/test_desired_killed.py. The parts `work` and `sink` may be
# left out, and the city of the suite has neither: tests/broker/test_work_topics.py and test_sinks.py kill them.
RARE: Final = frozenset((*edge.desired.POINTS, *broker.work.memory.POINTS, *broker.sink.POINTS)).union(
    point for point in edge.outbox.POINTS if point.startswith(("shed:", "upgrade:", "salvage:"))
)

# Passed about once a second while a city drives; each of the others at least once a life, soon after its start.
EVERY_SECOND: Final = (
    "fix:",
    "append:",
    "cut:begun",
    "cut:done",
    "parcel:",
    "group:",
    "commit:",
    "publish:",
    "cursor:",
)
MOST_PASSES: Final = 3


def everyday() -> list[tuple[str, str, int]]:
    """(program, point, how many passes there may be to wait for) of all points that a drive through a city passes."""
    return [
        (program, point, MOST_PASSES if point.startswith(EVERY_SECOND) else 1)
        for program, points in POINTS.items()
        for point in points
        if point not in RARE
    ]


def start_to_die(child: Child, point: str, nth: int = 1) -> None:
    """Kill what runs and start the child so that it dies by SIGKILL at the nth passing of the point.

    Its next start after that is an ordinary one. LookupError when no program has such a point.
    """
    if not any(point in points for points in POINTS.values()):
        raise LookupError(point)
    ordinary = child.command
    child.kill()
    child.command = doomed(ordinary, point, nth)
    try:
        child.start()
    finally:
        child.command = ordinary


def died_there(child: Child, point: str, nth: int = 1) -> bool:
    """Whether the child's last life ended by its own hand at that point."""
    return child.exit_code == -SIGKILL and last_words(point, nth) in child.tail()
