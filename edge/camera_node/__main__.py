"""`python -m edge.camera_node --config F`: the process of a box at a camera pole."""

import logging
import sys
from collections.abc import Callable

from edge import service
from edge.camera_node import wiring
from edge.camera_node.config import load_node
from edge.camera_node.heap import one_heap
from edge.clock import Clock
from edge.memory import Memory
from edge.outbox import Outbox
from edge.wiring import config_path, uplink

log = logging.getLogger(__name__)


def main(argv: list[str], *, at: Callable[[str], None] = lambda _point: None) -> int:
    """Judge the cameras and send what is said of them, until told to stop; the exit code."""
    return service.exit_code(lambda: _run(argv, at))


def _run(argv: list[str], at: Callable[[str], None]) -> int:
    one_heap()
    config = load_node(config_path(argv, "edge.camera_node", "docs/camera-node.md"))
    if not config.cameras:
        log.warning("no camera is adopted: pantau-provision adopt")
    memory = Memory(config.documents.path, at=at)
    clock = Clock(
        floor_utc_ms=memory.recall("floor_utc_ms", 0), on_floor=lambda utc_ms: memory.remember("floor_utc_ms", utc_ms)
    )
    outbox = Outbox(
        config.outbox.path, limit_bytes=config.outbox.limit_mb * 1_000_000, clock=clock, at=at, away=service.away
    )
    link = uplink(config, clock, outbox, memory, at=at)
    parts = wiring.parts(config, clock, outbox, link, memory)
    code = service.run(
        main=lambda stop: parts.node.run(parts.obey, stop),
        workers={"uplink": link.run, **parts.workers},
        on_stop=[parts.node.wake, link.wake],
    )
    parts.close(code == service.EXIT_CLEAN)
    outbox.close()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
