"""What is compared with: OwnTracks' way, one JSON publish at QoS 1 for every fix, over the same broker and link."""

from __future__ import annotations

import json
import selectors
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bench.drives import Fix8
from provisioning.throwaway import Credentials
from stage.city import HOST, City
from stage.clients import Client, packet, tls, turn_all
from stage.namespace import Link

PUBLISH_QOS_1: Final = 0x32
WINDOW: Final = 20  # as paho and Mosquitto have it


class OwnTracks:
    """One phone on the box's side of a link; `play` publishes each fix at its time."""

    def __init__(self, link: Link, host: str, port: int, name: str, who: Credentials) -> None:
        with link.entered():
            context = tls(who.ca_path, who.certificate_path, who.key_path)
            self._client = Client(host, port, context, name, lambda _topic, _payload: None)
        self._topic = f"owntracks/{name}/phone"  # the broker lets nobody write there: it answers, and drops
        self.published = 0

    def play(self, fixes: Iterator[Fix8], stop: threading.Event) -> None:
        """One publish a second until `stop`; waits for each PUBACK as it comes."""
        for fix in fixes:
            if stop.wait(1.0):
                break
            self._client.turn()
            self._client.send(publish_qos1(self._topic, self.published, fix))
            self.published += 1
        self._client.close()


class Phones:
    """Many phones in one process, each with WINDOW publishes on their way."""

    def __init__(self, city: City, names: Sequence[str]) -> None:
        self._selector = selectors.DefaultSelector()
        self._clients: dict[str, Client] = {}
        for name in names:
            who = city.credentials(name)
            context = tls(who.ca_path, who.certificate_path, who.key_path)
            client = self._clients[name] = Client(HOST, city.port, context, name, lambda _topic, _payload: None)
            self._selector.register(client, selectors.EVENT_READ)

    def publish(self, fixes: Mapping[str, Sequence[Fix8]], deadline_s: float) -> float:
        """Publish them all; seconds until the broker has acknowledged each. Raises TimeoutError."""
        waiting = {
            name: [publish_qos1(f"owntracks/{name}/phone", i, fix) for i, fix in enumerate(some)][::-1]
            for name, some in fixes.items()
        }
        sent, begun_s = dict.fromkeys(waiting, 0), time.monotonic()
        wanted = {name: len(packets) for name, packets in waiting.items()}
        while any(self._clients[name].acked < count for name, count in wanted.items()):
            if time.monotonic() - begun_s > deadline_s:
                raise TimeoutError(f"not all acknowledged after {deadline_s:g} s")
            for name, packets in waiting.items():
                while packets and sent[name] - self._clients[name].acked < WINDOW:
                    self._clients[name].send(packets.pop())
                    sent[name] += 1
            turn_all(self._selector, 0.01)
        return time.monotonic() - begun_s

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._selector.close()


def publish_qos1(topic: str, number: int, fix: Fix8) -> bytes:
    """The fix as a PUBLISH of QoS 1; `number` from 0 on becomes its packet identifier."""
    head = struct.pack(">H", len(topic)) + topic.encode() + struct.pack(">H", number % 0xFFFF + 1)
    return packet(PUBLISH_QOS_1, head + say(fix))


def say(fix: Fix8) -> bytes:
    """The fix as OwnTracks writes it (booklet, _type=location)."""
    utc_ms, lat_e7, lon_e7, alt_cm, speed_cmps, course_cdeg, hdop_c, _sats = fix
    said = {
        "_type": "location",
        "tid": "a1",
        "acc": round((hdop_c or 100) / 100 * 5),
        "alt": round((alt_cm or 0) / 100),
        "cog": round((course_cdeg or 0) / 100),
        "lat": lat_e7 / 1e7,
        "lon": lon_e7 / 1e7,
        "vel": round((speed_cmps or 0) * 0.036),
        "tst": utc_ms // 1000,
    }
    return json.dumps(said, separators=(",", ":")).encode()
