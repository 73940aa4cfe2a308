"""A configuration file is taken whole, in its ranges, or refused by ConfigError; it adds no line to other files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

from broker.acl import render_acl
from broker.config import CentreConfig, load_centre
from broker.mosquitto.configuration import render_configuration
from edge.config import UnitConfig, load_unit
from fuzz.forms import SETTINGS, lines_changed, parts_changed
from fuzz.scratch import scratch
from provisioning.config import load_enrolment
from settings import ConfigError
from wire.topics import valid_name, valid_unit

MAX_BYTES = 8192
form = lines_changed(parts_changed(b" = ", SETTINGS))
Config = TypeVar("Config")
PEM = ("ca.pem", "b.pem", "b.key", "bridge-1.pem", "bridge-1.key", "bridge-1-receipts.pem")
MORE_PEM = ("bridge-1-receipts.key", "bridge-publisher.pem", "bridge-publisher.key")


def hold(data: bytes) -> None:
    """The file as a box's, as what it is told for its enrolment, as the centre's."""
    file = _folder() / "pantau.toml"
    file.write_bytes(data)
    if (unit := _loaded(load_unit, file)) is not None:
        _check_unit(unit)
    if (enrolment := _loaded(load_enrolment, file)) is not None:
        assert valid_unit(enrolment.unit.id)
    if (centre := _loaded(load_centre, file)) is not None:
        _check_centre(centre)


@cache
def _folder() -> Path:
    """Where every certificate is that a file may name."""
    folder = scratch("config")
    for name in (*PEM, *MORE_PEM):
        (folder / name).touch()
    return folder


def _loaded(load: Callable[[Path], Config], file: Path) -> Config | None:
    try:
        return load(file)
    except ConfigError as error:
        assert str(error).startswith(str(file))
        return None


def _check_unit(config: UnitConfig) -> None:
    assert valid_unit(config.unit.id)
    assert 1 <= config.broker.port <= 65535
    assert 10 <= config.broker.keepalive_s <= 1200
    assert 1 <= config.outbox.limit_mb <= 1_000_000
    assert 1 <= config.report.interval_s <= 3600
    assert config.receiver.not_before_utc_ms is None or isinstance(config.receiver.not_before_utc_ms, int)
    assert all(isinstance(path, Path) for path in (config.broker.ca_path, config.outbox.path, config.receiver.tty))


def _check_centre(config: CentreConfig) -> None:
    """What Mosquitto is given has a line for each of ours: a value that breaks one could grant what nobody wrote."""
    assert valid_name(config.credentials.bridge)
    rendered = render_configuration(config.listener, acl_path=Path("acl"), as_root=True, connections=1)
    words = [line.split(" ")[0] for line in rendered.splitlines() if line and not line.startswith("#")]
    assert words == _WORDS, words
    listener = next(line for line in rendered.split("\n") if line.startswith("listener"))
    assert len(listener.split()) == 3, listener
    granted = [line for line in render_acl(config.roles).splitlines() if line.startswith("user ")]
    assert len(set(granted)) == len(granted) == 5 + len(config.broker.consumers)
    assert config.bridge.reader.port == config.broker.port


def _words() -> list[str]:
    """The directives of a plain file."""
    folder = _folder()
    file = folder / "plain.toml"
    file.write_bytes(seeds()["centre"])
    config = load_centre(file)
    rendered = render_configuration(config.listener, acl_path=Path("acl"), as_root=True, connections=1)
    return [line.split(" ")[0] for line in rendered.splitlines() if line and not line.startswith("#")]


def seeds() -> Mapping[str, bytes]:
    """Files that load, and files that do not."""
    unit = (
        '[unit]\nid = "amb-017"\n[broker]\nhost = "b"\nport = 8883\nca_path = "ca.pem"\ncertificate_path = "b.pem"\n'
        'key_path = "b.key"\nkeepalive_s = 75\nfleet_units = 3\n[outbox]\npath = "o.db"\nlimit_mb = 1000\n'
        '[documents]\npath = "d.db"\n[receiver]\ntty = "/dev/ttyX"\nspeed = 0\nnot_before = 2026-11-01\n'
        '[report]\ninterval_s = 10.0\nquantum = "receiver"\ntolerance_m = 2.5\npolicy = true\n'
        '[uplink]\nbulk_bytes_per_s = 16000\nbulk_burst_bytes = 32000\n[run]\ndirectory = "/run/pantau"\n'
    )
    centre = (
        '[broker]\nhost = "b"\nport = 8883\nrun = true\nlisten = "0.0.0.0"\n'
        'consumers = [{ name = "city-fire", agencies = ["fire", "*"] }]\n'
        '[credentials]\ndirectory = "."\nbridge = "bridge-1"\npublisher = "bridge-publisher"\n'
        '[store]\nurl = "sqlite:///store.db"\nstate_directory = "/var/lib/pantau"\n'
    )
    return {
        "unit": unit.encode(),
        "unit-shortest": unit.partition("keepalive_s")[0].encode() + b'[receiver]\ntty = "/dev/ttyX"\n',
        "centre": centre.encode(),
        "mistakes": unit.replace("8883", "0")
        .replace("2.5", "nan")
        .replace("amb", "city")
        .replace("tty", "ttty")
        .encode(),
        "other-types": centre.replace('"b"', "1979-05-27T07:32:00Z").replace("true", "[1]").encode(),
        "enrolment": b'[unit]\nid = "amb-017"\n[enrolment]\nhost = "b"\nca_path = "ca.pem"\n[broker]\nhost = "b"\n',
        "empty": b"",
    }


_WORDS = _words()
