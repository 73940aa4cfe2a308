"""`python -m stage.slow_bridge --config F --row-us N --account OUT`: the real bridge over a store that takes time."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

from broker.bridge import Bridge
from broker.config import load_centre
from broker.stopping import Stop
from broker.store import Arrival, Outcome, Store, open_store


class SlowStore:
    """A store whose every row costs `row_s` more; what came and what was new is counted in bytes of bodies."""

    def __init__(self, store: Store, row_s: float, account: Counter[str]) -> None:
        self._store, self._row_s, self._account = store, row_s, account

    def commit(self, arrivals: Sequence[Arrival]) -> list[Outcome]:
        time.sleep(self._row_s * len(arrivals))
        outcomes = self._store.commit(arrivals)
        for arrival, outcome in zip(arrivals, outcomes, strict=True):
            self._account["received_bytes"] += len(arrival.body)
            if outcome & Outcome.STORED:
                self._account["stored_bytes"] += len(arrival.body)
        return outcomes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()


def main(argv: list[str]) -> int:
    """Run until SIGTERM; the account is written at the end."""
    parser = argparse.ArgumentParser(prog="python -m stage.slow_bridge", description=__doc__)
    parser.add_argument("--config", required=True)
    parser.add_argument("--row-us", required=True, type=float)
    parser.add_argument("--account", required=True, type=Path)
    asked = parser.parse_args(argv)
    config, stop, account = load_centre(asked.config), Stop(), Counter[str]()
    stop.on_signals()
    config.store.state_directory.mkdir(parents=True, exist_ok=True)
    bridge = Bridge(config.bridge, partial(_open, config.store.url, asked.row_us / 1e6, account), stop)
    code = bridge.run()
    asked.account.write_text(json.dumps({**bridge.counters(), **account}))
    return code


def _open(url: str, row_s: float, account: Counter[str]) -> Store:
    return cast(Store, SlowStore(open_store(url, writer=True), row_s, account))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
