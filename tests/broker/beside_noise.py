"""A small city with a quiet box and a noisy one: `python beside_noise.py DIRECTORY HOW COUNT [PORT]` prints JSON.

Seconds from the quiet box's publish to its receipt, resends included, before, while and after the other does its worst;
how often it had to send again; how long a third box that comes meanwhile waits at the door.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

from bridge_driver import UnitVoice, row
from mqtt_client import MqttClient

from stage.city import City
from wire.kinds import CLASS_ALARM

AGAIN_S: Final = 2.0
GIVES_UP_S: Final = 60.0
BETWEEN_S: Final = 0.1


class Quiet:
    """A box that sends one alarm at a time and waits for its receipt."""

    def __init__(self, city: City) -> None:
        self.client = MqttClient(city.credentials("quiet"), "localhost", city.port)
        self._voice = UnitVoice(self.client, "quiet")
        self._voice.bridge_is_online()
        self._seqs = count(1)
        self.resent = 0
        self._receipted_s(next(self._seqs))  # the bridge listens before it receipts for the first time

    def while_(self, true: Callable[[], bool]) -> list[float]:
        """Seconds to each receipt, for as long as `true`."""
        found = []
        while true():
            found.append(round(self._receipted_s(next(self._seqs)), 3))
            time.sleep(BETWEEN_S)
        return found

    def _receipted_s(self, seq: int) -> float:
        begun_s = time.monotonic()
        while time.monotonic() < begun_s + GIVES_UP_S:
            self._voice.send([row(seq, cls=CLASS_ALARM)])
            try:
                while not any(first <= seq <= last for first, last in self._voice.receipt(AGAIN_S).ranges):
                    pass
            except queue.Empty:
                self.resent += 1
            else:
                return time.monotonic() - begun_s
        return GIVES_UP_S


def main(directory: str, how: str, times: str, port: str = "") -> None:
    """The whole of it."""
    city = City(Path(directory), [], port=int(port) if port else None)
    city.prepare()
    for name in ("quiet", "noisy", "newcomer"):
        city.authority.ensure(name, "unit")
    city.start_centre()
    quiet = Quiet(city)
    try:
        few = iter(range(20))
        before = quiet.while_(lambda: next(few, None) is not None)
        resent = quiet.resent
        noise = _noise(city, how, times)
        begun_s = time.monotonic()
        time.sleep(1.0)
        MqttClient(city.credentials("newcomer"), "localhost", city.port).close()
        newcomer_s = round(time.monotonic() - begun_s - 1.0, 3)
        beside = quiet.while_(lambda: noise.poll() is None)
        told, resent = (noise.communicate()[0] or "").strip(), quiet.resent - resent
        few = iter(range(20))
        after = quiet.while_(lambda: next(few, None) is not None)
    finally:
        quiet.client.close()
        city.stop()
    found = {"before": before, "beside": beside, "after": after, "resent": resent, "newcomer_s": newcomer_s}
    sys.stdout.write(json.dumps({**found, "noise": told}) + "\n")


def _noise(city: City, how: str, times: str) -> subprocess.Popen[str]:
    who = city.credentials("noisy")
    pems = [str(path) for path in (who.ca_path, who.certificate_path, who.key_path)]
    script = str(Path(__file__).with_name("noise.py"))
    command = ["nice", "-n", "19", sys.executable, script, how, str(city.port), *pems, "noisy", times]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # nicely: its CPU would not be the centre's


if __name__ == "__main__":
    main(*sys.argv[1:])
