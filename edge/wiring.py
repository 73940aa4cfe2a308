"""What every kind of box is put together from in the same way: its uplink, its command ids, what its link carried."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from edge.budget import Spent, on_the_air
from edge.clock import Clock
from edge.config import FIRMWARE, Broker, OutboxFile, Unit, UplinkShare
from edge.memory import Memory
from edge.outbox import Outbox, OutboxReader
from edge.sending import Limits
from edge.tls import Identity
from edge.today import Traffic
from edge.uplink import Uplink, UplinkOptions

EXIT_USAGE = 2  # as argparse and typer have it


class Linked(Protocol):
    """The tables that a box's file has whatever kind of box it is."""

    @property
    def unit(self) -> Unit: ...
    @property
    def broker(self) -> Broker: ...
    @property
    def outbox(self) -> OutboxFile: ...
    @property
    def uplink(self) -> UplinkShare: ...


class CommandIds:
    """Ids of commands already carried out, kept in the documents."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def load(self) -> list[str]:
        """The ids, oldest first."""
        return [one for one in self._memory.recall("command_ids", []) if isinstance(one, str)]

    def save(self, ids: list[str]) -> None:
        """Keep these."""
        self._memory.remember("command_ids", ids)


def config_path(argv: list[str], program: str, page: str) -> Path:
    """The file named on the command line; by hand, as argparse is 0.4 MB of a box's memory."""
    match argv:
        case ["--config", file]:
            return Path(file)
    sys.stderr.write(f"usage: python -m {program} --config FILE    (the TOML file of {page})\n")
    raise SystemExit(0 if argv in (["-h"], ["--help"]) else EXIT_USAGE)


def uplink(
    config: Linked, clock: Clock, outbox: Outbox, memory: Memory, *, at: Callable[[str], None] = lambda _point: None
) -> Uplink:
    """The uplink of this configuration; its thread reads the outbox through a connection of its own."""
    broker = config.broker
    return Uplink(
        UplinkOptions(
            unit=config.unit.id,
            host=broker.host,
            port=broker.port,
            firmware=FIRMWARE,
            keepalive_s=broker.keepalive_s,
            fleet_units=broker.fleet_units,
            limits=Limits(
                bucket_bytes_per_s=config.uplink.bulk_bytes_per_s, bucket_burst_bytes=config.uplink.bulk_burst_bytes
            ),
        ),
        Identity(ca_path=broker.ca_path, certificate_path=broker.certificate_path, key_path=broker.key_path),
        clock=clock,
        outbox=outbox,
        open_shelf=lambda: OutboxReader(config.outbox.path, on_corrupt=outbox.suspect),
        next_session=lambda: memory.count_up("session"),
        at=at,
    )


def traffic(uplink: Uplink) -> Traffic:
    """What the link carried since the process began."""
    account = uplink.account()
    # The first connection of a process is no reconnect.
    return Traffic(max(0, account.connections - 1), account.up_bytes, account.down_bytes)


def spent(uplink: Uplink, video_bytes: int = 0) -> Spent:
    """The same by class; `video_bytes` went over connections of their own."""
    account = uplink.account()
    return on_the_air(account.up_bytes + account.down_bytes, account.attributed, video_bytes)
