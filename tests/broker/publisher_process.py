"""A publisher in a process of its own, to be killed: `publisher_process.py STORE_URL HOST PORT CA CERTIFICATE KEY`."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from broker.mqtt import Endpoint
from broker.publisher import Publisher
from broker.store import open_store


def main(store_url: str, host: str, port: str, *pem: str) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    ca_path, certificate_path, key_path = map(Path, pem)
    endpoint = Endpoint(
        host=host, port=int(port), ca_path=ca_path, certificate_path=certificate_path, key_path=key_path
    )
    with open_store(store_url) as store:
        Publisher(store, endpoint).run(stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
