"""OwnTracks: every fix as a `location` of its JSON, to a broker or to a recorder's HTTP address.

Fields: https://owntracks.org/booklet/tech/json/. Speed is whole km/h there, course whole degrees, altitude metres.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from broker import sinks
from broker.clean import E7, Message, fix_times
from broker.sinks import Item, Sink
from broker.sinks._http import Poster
from broker.sinks._mqtt import MqttOut
from broker.store import UNDECODED
from settings import ConfigError, setting
from wire.kinds import KIND_TRACK

_HDOP_TO_M: Final = 5.0  # what receivers of this kind are off by at HDOP 1 (user-equivalent range error)
_SCHEMES: Final = ("mqtts", "mqtt", "https", "http")
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")


def _url(url: str) -> str | None:
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.hostname or parts.username:
        return "mqtts://HOST[:PORT] or https://HOST[:PORT]/pub"
    if parts.scheme in ("mqtt", "http") and parts.hostname not in _LOCAL:
        return "mqtts or https: in the clear is for this machine only"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(sinks.Options):
    """Where locations go."""

    url: str = setting("the broker, or the recorder's address for HTTP", check=_url)
    topic: str = setting(
        "where each location is published; {agency} and {asset} are filled in", default="owntracks/{agency}/{asset}",
        reason="OwnTracks: owntracks/USER/DEVICE",
    )  # fmt: skip
    ca_path: Path | None = setting("its authority, PEM", default=None, reason="none: those the system knows")
    certificate_path: Path | None = setting("our certificate, PEM", default=None, reason="none: it asks for none")
    key_path: Path | None = setting("its key, PEM", default=None, reason="beside the certificate")
    user: str = setting("user name", default="", reason="none: it asks for none")
    password_path: Path | None = setting("file with the password", default=None, reason="none: it asks for none")


def open_sink(options: Options) -> Sink:
    """The sink; raises ConfigError when a file cannot be read."""
    try:
        password = options.password_path.read_text("utf-8").strip() if options.password_path else None
        out = MqttOut if urlsplit(options.url).scheme.startswith("mqtt") else Poster
        return OwnTracks(
            options.topic,
            out(
                options.url,
                ca_path=options.ca_path,
                pair=(options.certificate_path, options.key_path),
                login=(options.user, password) if options.user else None,
                timeout_s=options.timeout_s,
            ),
        )
    except OSError as error:
        raise ConfigError(f"sink {options.name}: {error}") from error


class OwnTracks:
    """Tracks become locations; other records are none, and pass."""

    def __init__(self, topic: str, out: MqttOut | Poster) -> None:
        self._topic = topic
        self._out = out

    def deliver(self, items: Sequence[Item]) -> None:
        """Every location of these, in order of the log and of time within a record."""
        self._out.send([message for item in items for message in locations(item, self._topic)])

    def close(self) -> None:
        self._out.close()


def locations(item: Item, topic: str) -> Iterator[Message]:
    """The fixes of a track whose time is known."""
    entry, track = item.entry, item.body
    if entry.kind != KIND_TRACK or entry.flags & UNDECODED or track is None:
        return
    name = topic.replace("{agency}", entry.agency).replace("{asset}", entry.asset)
    for at, unix_ms in enumerate(fix_times(entry, track)):
        if unix_ms is None:
            continue
        told: dict[str, Any] = {
            "_type": "location",
            "lat": track.lat_e7[at] / E7,
            "lon": track.lon_e7[at] / E7,
            "tst": unix_ms // 1000,
            "created_at": entry.stored_utc_ms // 1000,
            "tid": entry.asset[-2:],
            "alt": _whole(track.alt_cm[at], 0.01),
            "vel": _whole(track.speed_cmps[at], 0.036),
            "cog": _whole(track.course_cdeg[at], 0.01),
            "acc": _whole(track.hdop_c[at], 0.01 * _HDOP_TO_M),
            "topic": name,
            "log_id": entry.log_id,  # ours, to tell a repeated one
        }
        yield Message(name, orjson.dumps({key: value for key, value in told.items() if value is not None}), 1, False)


def _whole(value: int | None, unit: float) -> int | None:
    return None if value is None else round(value * unit)
