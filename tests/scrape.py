"""A scraper as simple as Prometheus is: one GET, read with the library's own parser."""

from __future__ import annotations

import socket
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

Key = tuple[str, frozenset[tuple[str, str]]]


class Scraped:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self._samples: dict[Key, float] = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self._samples}

    def labels(self, name: str) -> list[dict[str, str]]:
        """The label sets of a name."""
        return [dict(labels) for found, labels in self._samples if found == name]

    def value(self, name: str, **labels: str) -> float:
        """The one sample; KeyError when it is not there."""
        return self._samples[name, frozenset(labels.items())]

    def sum(self, name: str) -> float:
        """Over all labels."""
        return sum(value for (found, _), value in self._samples.items() if found == name)


def scrape(port: int, *, patience_s: float = 10.0) -> Scraped:
    """What 127.0.0.1:port/metrics says now; raises OSError when it says nothing."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=patience_s) as answer:
        return Scraped(answer.read().decode())


def open_to(address: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        with socket.create_connection((address, port), timeout=2.0):
            return True
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
