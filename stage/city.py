"""The city: files written, certificates issued, every process of it started, killed and stopped by name."""

from __future__ import annotations

import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from provisioning.throwaway import Authority, Credentials, make_authority
from stage.process import STOP_DEADLINE_S, Child

HOST: Final = "localhost"
CONSUMER: Final = "city-centre"  # reads every agency, as the city's central system would
BRIDGE_CERTIFICATES: Final = ("bridge-1", "bridge-1-receipts", "bridge-publisher")
CENTRE: Final = ("mosquitto", "bridge", "publisher")  # in the order they are started
START_DEADLINE_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPlan:
    """One unit of the city and the settings of its file that differ from the defaults, as TOML values by table.

    With `cameras`, its [[cameras]], it is a camera node, else a gps_unit. `inputs` are its [[inputs]]. `inside` is what
    its command is prefixed with, to run it in a network of its own; `environment` is added to its own.
    """

    name: str
    asset: str
    agency: str
    kind: str
    settings: dict[str, dict[str, object]]
    inputs: tuple[dict[str, object], ...] = ()
    cameras: tuple[dict[str, object], ...] = ()
    inside: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


class City:
    """One directory holds all of it, and a second run goes on from what the first one left there."""

    def __init__(
        self,
        directory: Path,
        units: Sequence[UnitPlan],
        *,
        port: int | None = None,
        broker_port: int | None = None,
        consumers: dict[str, Sequence[str]] | None = None,
        broker_host: str = HOST,
        units_host: str | None = None,
        environments: dict[str, dict[str, str]] | None = None,
        metrics_ports: tuple[int, int] = (0, 0),
    ) -> None:
        """`units_host`, `broker_port`: where units connect when a link lies between.

        `metrics_ports`: of bridge and publisher. `environments`: what is added to the environment of a part of the
        centre, by its name.
        """
        self.directory = directory.absolute()
        self.units = list(units)
        self.port = port or free_port()
        self.broker_host = broker_host
        self._units_host, self._units_port = units_host or broker_host, broker_port or self.port
        self._environments = environments or {}
        self.metrics_ports = metrics_ports
        self._consumers = {CONSUMER: ("*",), **(consumers or {})}
        self.children: dict[str, Child] = {}
        self.authority: Authority = make_authority(self.directory / "ca")

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.directory / 'store.db'}"

    @property
    def centre_config(self) -> Path:
        return self.directory / "centre.toml"

    @property
    def assignments_path(self) -> Path:
        return self.directory / "assignments.csv"

    def tty(self, unit: str) -> Path:
        """Where the unit's receiver is plugged in."""
        return self.directory / unit / "tty"

    def outbox_path(self, unit: str) -> Path:
        return self.directory / unit / "outbox.db"

    def documents_path(self, unit: str) -> Path:
        return self.directory / unit / "documents.db"

    def forget_run(self, unit: str) -> None:
        """What a reboot does to /run: it is in memory."""
        shutil.rmtree(self.directory / unit / "run", ignore_errors=True)

    def unit_config(self, unit: str) -> Path:
        return self.directory / unit / "unit.toml"

    def credentials(self, name: str) -> Credentials:
        return self.authority.credentials(name)

    # ---------------------------------------------------------------- setting up

    def prepare(self) -> None:
        """Certificates, configuration files and commands; nothing runs yet."""
        self.authority.ensure(self.broker_host, "broker", hosts=(self.broker_host, self._units_host, HOST, "127.0.0.1"))
        for name in BRIDGE_CERTIFICATES:
            self.authority.ensure(name, "publisher" if "publisher" in name else "bridge")
        for name in self._consumers:
            self.authority.ensure(name, "consumer")
        self.centre_config.write_text(self._centre_toml(), "utf-8")
        self.assignments_path.write_text(assignments_csv(self.units), "utf-8")
        for part in CENTRE:
            self._child(
                part,
                [sys.executable, "-m", "broker", "--config", str(self.centre_config), part],
                self._environments.get(part),
            )
        for plan in self.units:
            self.authority.ensure(plan.name, "unit")
            (self.directory / plan.name / "run").mkdir(parents=True, exist_ok=True)
            self.unit_config(plan.name).write_text(self._unit_toml(plan), "utf-8")
            program = "edge.camera_node" if plan.cameras else "edge.gps_unit"
            command = [sys.executable, "-m", program, "--config", str(self.unit_config(plan.name))]
            self._child(plan.name, [*plan.inside, *command], plan.environment)

    def start_centre(self) -> None:
        """Broker, bridge, publisher; returns when the broker listens and the store is there."""
        self.children["mosquitto"].start()
        self._until(self._listens, "mosquitto")
        self.children["bridge"].start()
        self._until((self.directory / "store.db").exists, "bridge")
        self.assign()
        self.children["publisher"].start()

    def assign(self) -> None:
        """Load the city's assignments into the store."""
        from broker.assets import load_csv
        from broker.store import StoreUnavailable, open_store

        with self.assignments_path.open(encoding="utf-8") as file:
            assignments = load_csv(file, str(self.assignments_path))
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                with open_store(self.store_url) as store:
                    store.set_assignments(assignments)
                return
            except StoreUnavailable:  # the bridge is just making it
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def start_units(self) -> None:
        for plan in self.units:
            self.children[plan.name].start()

    def stop(self) -> list[str]:
        """Units first, then the centre, within the time each promises; names of those that had to be killed."""
        late = []
        for group in ([u.name for u in self.units], ["publisher", "bridge"], ["mosquitto"]):
            found = [self.children[name] for name in group if name in self.children]
            for child in found:
                child.terminate()
            deadline = time.monotonic() + STOP_DEADLINE_S
            late += [c.name for c in found if not c.join(max(0.1, deadline - time.monotonic()))]
        return late

    def ended(self) -> list[Child]:
        """Children that were started and do not run."""
        return [c for c in self.children.values() if c.lives and not c.running]

    # ---------------------------------------------------------------- files

    def _child(self, name: str, command: list[str], environment: dict[str, str] | None) -> None:
        logs = self.directory / "log"
        logs.mkdir(parents=True, exist_ok=True)
        self.children[name] = Child(name, command, logs / f"{name}.log", environment=environment)

    def _centre_toml(self) -> str:
        consumers = [
            "{ " + _pairs({"name": name, "agencies": list(agencies)}, ", ") + " }"
            for name, agencies in sorted(self._consumers.items())
        ]
        broker = _pairs(
            {
                "host": self.broker_host,
                "port": self.port,
                "listen": "127.0.0.1" if self.broker_host == HOST else "0.0.0.0",
            }
        )
        return (
            f"[broker]\n{broker}\nconsumers = [{', '.join(consumers)}]\n\n"
            f"[credentials]\n{_pairs({'directory': str(self.authority.directory)})}\n\n"
            f"[store]\n{_pairs({'url': self.store_url, 'state_directory': str(self.directory / 'centre')})}\n\n"
            f"[metrics]\nbridge_port = {self.metrics_ports[0]}\npublisher_port = {self.metrics_ports[1]}\n"
        )

    def _unit_toml(self, plan: UnitPlan) -> str:
        who, home = self.credentials(plan.name), self.directory / plan.name
        tables: dict[str, dict[str, object]] = {
            "unit": {"id": plan.name},
            "broker": {
                "host": self._units_host,
                "port": self._units_port,
                "ca_path": str(who.ca_path),
                "certificate_path": str(who.certificate_path),
                "key_path": str(who.key_path),
                "fleet_units": len(self.units),
            },
            "outbox": {"path": str(self.outbox_path(plan.name))},
            "documents": {"path": str(self.documents_path(plan.name))},
        }
        if not plan.cameras:
            tables |= {"receiver": {"tty": str(self.tty(plan.name))}, "run": {"directory": str(home / "run")}}
        for table, values in plan.settings.items():
            tables.setdefault(table, {}).update(values)
        lists = [f"[[inputs]]\n{_pairs(values)}\n" for values in plan.inputs]
        lists += [f"[[cameras]]\n{_pairs(values)}\n" for values in plan.cameras]
        return "\n".join([*(f"[{table}]\n{_pairs(values)}\n" for table, values in tables.items()), *lists])

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
                return True
        except OSError:
            return False

    def _until(self, true: Callable[[], bool], name: str) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while not true():
            if not self.children[name].running or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start:\n{self.children[name].tail()}")
            time.sleep(0.02)


def assignments_csv(units: Iterable[UnitPlan]) -> str:
    """The city's assignments file: each unit is its asset's for ever."""
    lines = [f"{u.name},{u.asset},{u.agency},{u.kind},2000-01-01T00:00:00Z," for u in units]
    return "\n".join(["unit,asset,agency,kind,from_utc,to_utc", *lines]) + "\n"


def free_port() -> int:
    """A TCP port nobody listens on at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _pairs(values: dict[str, object], between: str = "\n") -> str:
    return between.join(f"{key} = {_toml(value)}" for key, value in values.items())


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(one) for one in value)}]"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
