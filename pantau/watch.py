"""`pantau watch`: where everything is, now."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any, Final

from typer import BadParameter, Option

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from broker.presence import Presence

REFRESH_S: Final = 1.0
SETTLE_S: Final = 0.5  # retained states come in one go: silence this long is their end
MOST_SETTLE_S: Final = 3.0  # in a city it is never silent
CONNECT_S: Final = 10.0
DEFAULT_PORT: Final = 8883

State = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One asset, or a unit that has no asset's state yet; None = not known."""

    unit: str
    agency: str | None
    asset: str | None
    kind: str | None
    status: str | None
    lat_deg: float | None
    lon_deg: float | None
    speed_mps: float | None
    fix_utc: str | None
    fix_age_s: float | None
    backlog_rows: int | None
    backlog_bytes: int | None
    link: str | None


# What is known now: the states by topic, and each unit's presence (none where only clean topics can be read).
Picture = tuple[Iterable[State], Mapping[str, "Presence"]]
Source = Callable[[], Picture]


def watch(
    config: Annotated[
        Path | None, Option(help="The centre's configuration: look into its store, on this machine.")
    ] = None,
    broker: Annotated[
        str | None, Option(metavar="HOST[:PORT]", help="Listen to the clean topics instead, from anywhere.")
    ] = None,
    credentials: Annotated[Path | None, Option(help="Folder with ca.pem, NAME.pem and NAME.key.")] = None,
    name: Annotated[str | None, Option(help="NAME of your certificate there, such as city-fire.")] = None,
    once: Annotated[bool, Option("--once", help="Show it once and end.")] = False,
    as_json: Annotated[bool, Option("--json", help="One JSON object a line, for each asset.")] = False,
) -> None:
    """Show every asset: unit, position, speed, age of the fix, backlog and link, until Ctrl-C.

    Ages are counted by this machine's clock. Clean topics do not tell a unit's link; the centre's own store does.
    """
    with _source(config, broker, credentials, name) as source:
        try:
            show(source, once=once, as_json=as_json)
        except KeyboardInterrupt:
            return


def show(
    source: Source,
    *,
    once: bool = False,
    as_json: bool = False,
    until: Callable[[], bool] = lambda: False,
    below: "Callable[[], RenderableType] | None" = None,
    now_utc_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> None:
    """Print what `source` says, each second until `until()`, or once; `below` is what stands under the live table.

    Ages are those at `now_utc_ms()`.
    """
    from rich.console import Group
    from rich.live import Live

    from pantau.tables import PlainConsole, print_table

    console = PlainConsole()
    live = None if once or as_json else Live(console=console, auto_refresh=False, screen=console.is_terminal)
    with live or nullcontext():
        while True:
            rows = rows_of(*source(), now_utc_ms=now_utc_ms())
            if as_json:
                print("\n".join(json.dumps(asdict(row)) for row in rows), flush=True)
            elif live is not None:
                live.update(table(rows) if below is None else Group(table(rows), "", below()), refresh=True)
            else:
                print_table(table(rows))
            if once or until():
                return
            time.sleep(REFRESH_S)


def rows_of(states: Iterable[State], presences: Mapping[str, "Presence"], *, now_utc_ms: int) -> list[Row]:
    """The table's rows by agency and asset, ages as of now; a unit heard of without a state comes last. Pure."""
    found = [_of_state(state, presences.get(state["unit"]), now_utc_ms) for state in states]
    found.sort(key=lambda row: (row.agency or "", row.asset or ""))
    shown = {row.unit for row in found}
    bare = dict.fromkeys(("agency", "asset", "kind", "geometry", "status", "speed_mps", "fix_utc", "backlog_rows"))
    rest = sorted(unit for unit in presences if unit not in shown)
    return found + [_of_state({**bare, "unit": unit}, presences[unit], now_utc_ms) for unit in rest]


def _of_state(state: State, presence: "Presence | None", now_utc_ms: int) -> Row:
    lon_deg, lat_deg = state["geometry"]["coordinates"] if state["geometry"] else (None, None)
    link = None if presence is None else "online" if presence.online else "offline"
    return Row(
        unit=state["unit"],
        agency=state["agency"],
        asset=state["asset"],
        kind=state["kind"],
        status=state["status"],
        lat_deg=lat_deg,
        lon_deg=lon_deg,
        speed_mps=state["speed_mps"],
        fix_utc=state["fix_utc"],
        fix_age_s=_age_s(state["fix_utc"], now_utc_ms),
        backlog_rows=state["backlog_rows"],
        backlog_bytes=presence.waiting_bytes if presence else None,
        link=link,
    )


def _age_s(fix_utc: str | None, now_utc_ms: int) -> float | None:
    return None if fix_utc is None else round(now_utc_ms / 1000 - datetime.fromisoformat(fix_utc).timestamp(), 1)


def table(rows: Iterable[Row]) -> "Table":
    """The rows for people."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(
        title="pantau watch",
        title_justify="left",
        header_style="bold",
        box=None,
        collapse_padding=True,
        pad_edge=False,
    )
    shown.add_column("unit", no_wrap=True)
    for heading in ("agency", "asset"):  # on a terminal of 80 columns these break into lines, and nothing is cut off
        shown.add_column(heading, overflow="fold", min_width=6)
    for heading in ("status", "position"):
        shown.add_column(heading, no_wrap=True)
    for heading in ("speed", "fix age", "backlog"):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("link", no_wrap=True)
    for row in rows:
        position = None if row.lat_deg is None else f"{row.lat_deg:.5f} {row.lon_deg:.5f}"
        speed = None if row.speed_mps is None else f"{row.speed_mps * 3.6:.0f} km/h"
        link = Text(row.link, "green" if row.link == "online" else "red") if row.link else None
        age = _age(row.fix_age_s)
        cells = (row.unit, row.agency, row.asset, row.status, position, speed, age and Text(*age), _backlog(row), link)
        shown.add_row(*(cell or "–" for cell in cells))
    return shown


def _age(age_s: float | None) -> tuple[str, str] | None:
    """An age as people say it, and its colour; a fix of the future by more than clocks differ is said to be one."""
    if age_s is None:
        return None
    if age_s < -2.0:
        return f"in {-age_s:.0f} s", "red"
    if age_s < 120:
        return f"{max(0.0, age_s):.0f} s", ""
    if age_s < 7200:
        return f"{age_s / 60:.0f} min", "yellow"
    return f"{age_s / 3600:.0f} h" if age_s < 172_800 else f"{age_s / 86_400:.0f} d", "red"


def _backlog(row: Row) -> str | None:
    if row.backlog_bytes is not None:
        return f"{row.backlog_bytes / 1000:.1f} kB" if row.backlog_bytes else "0"
    return None if row.backlog_rows is None else f"{row.backlog_rows} rows"


def _source(
    config: Path | None, broker: str | None, credentials: Path | None, name: str | None
) -> AbstractContextManager[Source]:
    if config is not None and broker is None:
        from broker.config import load_centre

        centre = load_centre(str(config))
        return from_store(centre.store.url, centre.presence_path)
    if broker is not None and config is None and credentials is not None and name is not None:
        host, _, port = broker.partition(":")
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise BadParameter(f"{broker!r} is no broker: wanted HOST or HOST:PORT")
        for file in (credentials / "ca.pem", credentials / f"{name}.pem", credentials / f"{name}.key"):
            if not file.is_file():
                raise BadParameter(f"{file} is not there: --credentials and --name say where your certificate is")
        return from_topics(host, int(port or DEFAULT_PORT), credentials, name)
    raise BadParameter("give either --config, or --broker with --credentials and --name")


@contextmanager
def from_store(url: str, presence_path: Path) -> Iterator[Source]:
    """What the store at `url` and the bridge's presence file say."""
    from broker.clean import read_body
    from broker.live import Picture as Live
    from broker.live import moved, state_message
    from broker.presence import read_presence
    from broker.store import open_store

    with open_store(url) as store:

        def read() -> Picture:
            newest = store.newest_tracks(time.time_ns() // 1_000_000)
            pictures = [moved(Live(entry.agency, entry.asset), entry, read_body(entry)) for entry in newest]
            payloads = [state_message(picture).payload for picture in pictures]
            units, _ = read_presence(presence_path)
            return [json.loads(payload) for payload in payloads if payload], {one.unit: one for one in units}

        yield read


@contextmanager
def from_topics(host: str, port: int, credentials: Path, name: str) -> Iterator[Source]:
    """What the retained states say to the holder of that certificate; waits for the first ones."""
    from broker.mqtt import Endpoint, Link

    heard: SimpleQueue[tuple[str, bytes]] = SimpleQueue()
    connected = threading.Event()
    endpoint = Endpoint(
        host=host,
        port=port,
        ca_path=credentials / "ca.pem",
        certificate_path=credentials / f"{name}.pem",
        key_path=credentials / f"{name}.key",
    )
    link = Link(
        endpoint,
        name,
        subscriptions=[("city/v1/+/+/state", 0)],
        received=lambda topic, payload, _: heard.put((topic, payload)),
        connected=connected.set,
    )
    states: dict[str, State] = {}

    def take(patience_s: float) -> None:
        until_s = time.monotonic() + MOST_SETTLE_S
        try:
            while time.monotonic() < until_s:
                topic, payload = heard.get(timeout=patience_s)
                states.pop(topic, None)
                if payload:
                    states[topic] = json.loads(payload)
        except Empty:
            return

    def read() -> Picture:
        take(0.0)
        return states.values(), {}

    network = threading.Thread(target=link.run, name="watch network")
    network.start()
    try:
        if not connected.wait(CONNECT_S):
            print(f"no connection to {host} port {port} yet", file=sys.stderr)
        take(SETTLE_S)
        yield read
    finally:
        link.close()
        network.join()
