"""The office and the centre of a small city, made with the documented commands of `pantau-provision` only."""

from __future__ import annotations

import errno
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

from outing import EVERY_FIX, Outing, eventually

from stage.city import free_port
from stage.process import Child

# check.toml of a simulated box: this machine is no Raspberry Pi, and its disk is shared.
CHECK = """
[files]
directory = "check"
[gnss]
within_s = 20
satellites = 4
hdop = 10.0
[card]
free_mb = 1
write_mb_per_s = 0.01
append_ms = 60000
[watchdog]
there = false
"""
HOST = "localhost"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqv5v0H1oPQmQ2oXCzZ1dZ6QbGQm5C1m7x6xjXkq0aB rini@workshop"


def _read(screen: int, deadline: float) -> bytes:
    """The next bytes that a terminal shows; none when its last user has gone."""
    ready, _, _ = select.select([screen], [], [], max(0.0, deadline - time.monotonic()))
    assert ready, "it says nothing more and does not end"
    try:
        return os.read(screen, 4096)
    except OSError as error:
        if error.errno == errno.EIO:
            return b""
        raise


class Office:
    """The office and the centre of a small city, made with `pantau-provision` only."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.language = "en"
        self.port, self.est_port = free_port(), free_port()
        self.children: list[Child] = []

    def provision(self, *words: str, code: int = 0, typed: str = "", **environment: str) -> str:
        """One `pantau-provision` command, with what is typed into it; what it said."""
        command = [sys.executable, "-m", "pantau.provision", *words]
        around = {**self._environment(), **environment}
        done = subprocess.run(
            command, input=typed, capture_output=True, text=True, timeout=120, check=False, env=around
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def at_terminal(self, *words: str, typed: str, code: int = 0, **environment: str) -> str:
        """The same as a person sits there: what is asked for, and what is `typed` then, are in what the screen says."""
        screen, terminal = os.openpty()
        child = subprocess.Popen(
            [sys.executable, "-m", "pantau.provision", *words],
            stdin=terminal, stdout=terminal, stderr=terminal, env={**self._environment(), **environment},
            start_new_session=True,
        )  # fmt: skip
        os.close(terminal)
        said, deadline = b"", time.monotonic() + 120
        try:
            while chunk := _read(screen, deadline):
                said += chunk
                if typed and said.endswith((b": ", b"] ")):  # before it asks, the terminal would show it too early
                    os.write(screen, typed.encode())
                    typed = ""
        finally:
            os.close(screen)
            child.wait(30)
        told = said.decode().replace("\r\n", "\n")
        assert child.returncode == code, told
        return told

    def build(self) -> None:
        """Authority, the centre's certificates, boxes and vehicles from spreadsheets, everything running."""
        (self.home / "safe").mkdir()  # the stick
        self.provision("authority", "jakarta", "--root", str(self.home / "safe"))
        assert not (self.home / "authority" / "root.key").exists(), "the root's key is kept apart"
        pems = self.home / "credentials"
        self.provision("certificate", HOST, "--role", "broker", "--out", str(pems))
        for name, role in (("bridge-1", "bridge"), ("bridge-1-receipts", "bridge"), ("bridge-publisher", "publisher")):
            self.provision("certificate", name, "--role", role, "--out", str(pems))
        (self.home / "units.csv").write_text("unit,kind,iccid,note\nbox-1,gps_unit,,\nbox-2,gps_unit,,spare\n")
        columns = "asset,agency,kind,plate,lat_deg,lon_deg"
        (self.home / "assets.csv").write_text(f"{columns}\nambulance-7,health,ambulance,B 9007 DKI,,\n")
        for sheet in ("units", "assets"):
            assert "0 changed" not in self.provision("import", str(self.home / f"{sheet}.csv"))
        self.provision("assign", "box-1", "ambulance-7", "--at", "2026-01-01T00:00:00Z")
        self._run("est", "pantau.provision", "serve", "--certificate", str(pems / f"{HOST}.pem"),
                  "--key", str(pems / f"{HOST}.key"), "--host", "127.0.0.1", "--port", str(self.est_port))  # fmt: skip
        centre = self.home / "centre.toml"
        centre.write_text(
            f'[broker]\nhost = "{HOST}"\nport = {self.port}\nlisten = "127.0.0.1"\n\n'
            f'[credentials]\ndirectory = "{pems}"\n\n'
            f'[store]\nurl = "{self.store_url}"\nstate_directory = "{self.home / "centre"}"\n'
        )
        self._run("centre", "broker", "--config", str(centre))
        eventually((self.home / "store.db").exists, 20, self.children[-1].tail)

    def site(self) -> None:
        """card.toml: what cards and labels say of this city."""
        (self.home / "keys").write_text(f"{KEY}\n")
        (self.home / "card.toml").write_text(
            f'[enrolment]\nhost = "{HOST}"\nport = {self.est_port}\n\n[broker]\nhost = "{HOST}"\n'
            f'port = {self.port}\n\n[login]\nkeys_path = "keys"\n'
        )

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.home / 'store.db'}"

    def box(self, name: str, *, ahead_s: float = 0.0) -> Outing:
        """A bare box that enrols itself with the code on its card, ready to drive (`ahead_s`: see Outing)."""
        card = self.bare(name)
        drawn = json.loads(self.provision("code", name, "--json"))
        (card / "code").write_text(drawn[name])
        said = self.provision("enrol", "--config", str(card / "enrolment.toml"))
        assert f"{name} is enrolled until" in said
        assert not (card / "code").exists(), "a used code is not left on the card"
        return self.mounted(name, ahead_s=ahead_s)

    def bare(self, name: str) -> Path:
        """The folder of a box that knows where to enrol, and has no code."""
        card = self.home / name
        (card / "run").mkdir(parents=True)
        (card / "enrolment.toml").write_text(
            f'[unit]\nid = "{name}"\n\n[enrolment]\nhost = "{HOST}"\nport = {self.est_port}\n'
            f'ca_path = "{self.home / "authority" / "ca.pem"}"\ncode_path = "code"\n\n'
            f'[broker]\nhost = "{HOST}"\nport = {self.port}\n\n[identity]\ndirectory = "identity"\n'
        )
        return card

    def mounted(self, name: str, *, ahead_s: float = 0.0) -> Outing:
        """An enrolled box with its unit.toml and a receiver."""
        card = self.home / name
        own = card / "identity" / "current"
        settings = "\n".join(
            f"[{table}]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items())
            for table, values in {
                "unit": {"id": name},
                "broker": {
                    "host": HOST,
                    "port": self.port,
                    "ca_path": str(self.home / "authority" / "ca.pem"),
                    "certificate_path": str(own / "certificate.pem"),
                    "key_path": str(own / "key.pem"),
                    "fleet_units": 2,
                },
                "outbox": {"path": str(card / "outbox.db")},
                "documents": {"path": str(card / "documents.db")},
                "run": {"directory": str(card / "run")},
                "report": EVERY_FIX["report"],
                "receiver": {"tty": str(card / "tty"), "not_before": "none"},
            }.items()
        )
        (card / "unit.toml").write_text(settings)
        command = [sys.executable, "-m", "edge.gps_unit", "--config", str(card / "unit.toml")]
        return Outing(Child(name, command, card / "log"), card / "tty", ahead_s=ahead_s)

    def close(self) -> None:
        for child in reversed(self.children):
            child.terminate()
            assert child.join(8), child.tail()

    def _run(self, name: str, module: str, *words: str) -> None:
        command = [sys.executable, "-m", module, *words]
        child = Child(name, command, self.home / f"{name}.log", environment=self._environment())
        child.start()
        self.children.append(child)

    def _environment(self) -> dict[str, str]:
        paths = {"PANTAU_REGISTRY": "registry.db", "PANTAU_AUTHORITY": "authority", "PANTAU_SITE": "card.toml"}
        own = {key: str(self.home / value) for key, value in paths.items()}
        return {**os.environ, **own, "PANTAU_LANGUAGE": self.language}
