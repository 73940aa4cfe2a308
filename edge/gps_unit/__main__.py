"""`python -m edge.gps_unit --config F`: the process of a box in a vehicle."""

import sys

from edge import service
from edge.clock import Clock
from edge.config import load_unit
from edge.gps_unit import wiring
from edge.gps_unit.listen import record
from edge.memory import Memory
from edge.outbox import Outbox


def main(argv: list[str]) -> int:
    """Record what the receiver says, and send it, until told to stop; the exit code."""
    config = load_unit(wiring.config_path(argv))
    memory = Memory(config.documents.path)
    clock = Clock(
        floor_utc_ms=memory.recall("floor_utc_ms", 0), on_floor=lambda utc_ms: memory.remember("floor_utc_ms", utc_ms)
    )
    outbox = Outbox(config.outbox.path, limit_bytes=config.outbox.limit_mb * 1_000_000, clock=clock)
    uplink = wiring.uplink(config, clock, outbox, memory)
    unit = wiring.unit(config, clock, outbox, uplink, memory)
    code = service.run(
        main=lambda stop: record(unit.listener, unit.recorder, unit.obey, stop),
        workers={"uplink": uplink.run},
        on_stop=[unit.cancel, uplink.wake],
    )
    unit.close(code == service.EXIT_CLEAN)
    outbox.close()
    return code


sys.exit(service.exit_code(main))
