"""What is compared with: OwnTracks' way, one JSON publish at QoS 1 for every fix, over the same broker and link."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Iterator

from bench.drives import Fix8
from provisioning.throwaway import Credentials
from stage.clients import Client, packet, tls
from stage.namespace import Link

PUBLISH_QOS_1 = 0x32


class OwnTracks:
    """One phone on the box's side of a link; `play` publishes each fix at its time."""

    def __init__(self, link: Link, host: str, port: int, name: str, who: Credentials) -> None:
        with link.entered():
            context = tls(who.ca_path, who.certificate_path, who.key_path)
            self._client = Client(host, port, context, name, lambda _topic, _payload: None)
        self._topic = f"owntracks/{name}/phone"  # the broker lets nobody write there: it answers, and drops
        self._number = 0
        self.published = 0

    def play(self, fixes: Iterator[Fix8], stop: threading.Event) -> None:
        """One publish a second until `stop`; waits for each PUBACK as it comes."""
        for fix in fixes:
            if stop.wait(1.0):
                break
            self._number = self._number % 0xFFFF + 1
            head = struct.pack(">H", len(self._topic)) + self._topic.encode() + struct.pack(">H", self._number)
            self._client.turn()
            self._client.send(packet(PUBLISH_QOS_1, head + say(fix)))
            self.published += 1
        self._client.close()


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
