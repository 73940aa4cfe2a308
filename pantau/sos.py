"""`pantau sos`: who calls for help from a cab, and saying that a person has the call."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from typer import Argument, BadParameter, Exit, Option

from pantau.plain import plain
from pantau.store import AsJson

if TYPE_CHECKING:
    from broker.calls import Call, Calls
    from broker.downlink import Downlink

EXPIRES_MS: Final = 7 * 86_400_000  # a box may be without a link for days, and its driver is to hear it all the same
LONGEST_BY: Final = 60  # what a box takes


class Action(StrEnum):
    """What to do."""

    LIST = "list"
    ACKNOWLEDGE = "acknowledge"


def sos(
    action: Annotated[Action, Argument(help="Show the calls, or say that a person has one.")],
    unit: Annotated[str | None, Argument(metavar="[UNIT]", help="The box whose call is acknowledged.")] = None,
    by: Annotated[str | None, Option("--by", metavar="NAME", help="Who has it; the box's record names them.")] = None,
    config: Annotated[
        Path, Option(help="The centre's configuration: calls and commands lie in its state directory.")
    ] = Path("/etc/pantau/centre.toml"),
    everything: Annotated[bool, Option("--all", help="List those that are over, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Calls for help from panic buttons: list those that go on, or acknowledge one, which its driver hears.

    A box repeats its call until it knows that a person has it. Exit 1 when there is no such call.
    """
    from broker.calls import Calls
    from broker.config import load_centre
    from broker.downlink import Downlink

    path = load_centre(str(config)).downlink_path
    with Downlink(path) as downlink, Calls(path) as calls:
        if action is Action.LIST:
            _show(calls.listed(ended=everything), as_json)
        else:
            _acknowledge(calls, downlink, unit, by)


def _acknowledge(calls: "Calls", downlink: "Downlink", unit: str | None, by: str | None) -> None:
    if unit is None or by is None:
        raise BadParameter("wanted UNIT --by NAME")
    if not 0 < len(by.strip()) <= LONGEST_BY or not by.isprintable():
        raise BadParameter(f"--by: wanted the name of a person, at most {LONGEST_BY} letters")
    mine = [call for call in calls.listed() if call.unit == unit]
    if not mine:
        print(f"no call of {unit} goes on", file=sys.stderr)
        raise Exit(1)
    for call in mine:
        calls.acknowledge(downlink, call, by.strip(), expires_utc_ms=_now_ms() + EXPIRES_MS)
        has = f"{by.strip()} has its call {plain(call.call)}"
        print(f"{unit} is told that {has}; until it knows, `pantau sos list` shows it")


def _show(calls: Sequence["Call"], as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(call) for call in calls], indent=2))
        return
    from rich.table import Table

    from pantau.tables import print_table

    table = Table(box=None, header_style="bold")
    for column in ("unit", "call", "since", "last heard", "times", "position", "acknowledged by", "box knows"):
        table.add_column(column, overflow="fold")
    for call in calls:
        known = call.lat_e7 is not None and call.lon_e7 is not None
        table.add_row(
            call.unit,
            call.call,
            _utc(call.heard_utc_ms),
            _utc(call.said_utc_ms),
            str(call.times),
            f"{(call.lat_e7 or 0) / 1e7:.5f} {(call.lon_e7 or 0) / 1e7:.5f}" if known else "–",
            call.by or "nobody",
            "yes" if call.ended else "not yet",
            style=None if call.by else "bold red",
        )
    print_table(table)


def _utc(utc_ms: int) -> str:
    return datetime.fromtimestamp(utc_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
