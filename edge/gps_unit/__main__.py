"""`python -m edge.gps_unit --config F`: the process of a box in a vehicle."""

import sys
from collections.abc import Callable

from edge import service
from edge.clock import Clock
from edge.config import load_unit
from edge.gps_unit import wiring
from edge.gps_unit.listen import record
from edge.lean import let_go
from edge.memory import Memory
from edge.outbox import Outbox
from edge.wiring import config_path, uplink


def main(argv: list[str], *, at: Callable[[str], None] = lambda _point: None) -> int:
    """Record what the receiver says, and send it, until told to stop; the exit code.

    `at` is told of every commit point that is passed (torture/points.py lists them).
    """
    return service.exit_code(lambda: _run(argv, at))


def _run(argv: list[str], at: Callable[[str], None]) -> int:
    path = config_path(argv, "edge.gps_unit", "docs/config.md")
    own = load_unit(path)
    memory = Memory(own.documents.path, at=at)
    shadow = wiring.shadow(path, own, memory, at=at)
    wanted = shadow.begin()
    config = load_unit(path, wanted) if wanted else own
    let_go("tomllib")
    clock = Clock(
        floor_utc_ms=memory.recall("floor_utc_ms", 0),
        on_floor=lambda utc_ms: memory.remember("floor_utc_ms", utc_ms),
        any_date=config.receiver.not_before_utc_ms is None,
    )
    outbox = Outbox(
        config.outbox.path, limit_bytes=config.outbox.limit_mb * 1_000_000, clock=clock, at=at, away=service.away
    )
    link = uplink(config, clock, outbox, memory, at=at)
    unit = wiring.unit(config, clock, outbox, link, memory, shadow, at=at)
    code = service.run(
        main=lambda stop: record(unit.listener, unit.recorder, unit.obey, stop),
        workers={"uplink": link.run, **unit.workers},
        on_stop=[unit.cancel, link.wake],
    )
    unit.close(code == service.EXIT_CLEAN)
    outbox.close()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
