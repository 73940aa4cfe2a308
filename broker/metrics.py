"""Prometheus metrics over HTTP on the loopback; the only file that imports prometheus_client.

Figures are read when somebody scrapes, by a thread of their own. Metrics are not worth losing a bridge: a port that is
taken is said once and tried again, and a scraper that hangs holds up other scrapers for some seconds and nothing else.
"""

from __future__ import annotations

import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Final, Self

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import MetricsHandler
from prometheus_client.metrics_core import Metric

from broker.figure import Figure, Histogram, counter

log = logging.getLogger(__name__)

PATIENCE_S: Final = 2.0  # for a scraper to say what it wants, and to take its answer; a neighbour needs milliseconds
TURN_S: Final = 0.2
RETRY_S: Final = 10.0
CLOSE_WITHIN_S: Final = 0.5


class Metrics:
    """Answers scrapes at address:port while the `with` block lasts; `figures` is called in its thread."""

    def __init__(
        self, address: str, port: int, figures: Callable[[], Iterable[Figure]], *, retry_s: float = RETRY_S
    ) -> None:
        self._address = address
        self._port = port
        self._retry_s = retry_s
        self._figures = figures
        self.refused_ports = 0
        self._closing = threading.Event()
        self._server: _Server | None = None
        self._thread = threading.Thread(target=self._run, name="metrics")
        # A registry of our own: the library's own one speaks of Python's collector, not of parcels.
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Called by the library for each scrape."""
        refused = counter("pantau_metrics_refused_ports_total", "Times this port could not be had", self.refused_ports)
        return map(_family, [*self._figures(), refused])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._server is not None:
            self._server.break_off()
        self._thread.join(CLOSE_WITHIN_S)

    def _run(self) -> None:
        handler = MetricsHandler.factory(self._registry)
        handler.timeout = PATIENCE_S  # type: ignore[attr-defined]  # of http.server: for each read and each write
        while not self._closing.is_set():
            try:
                server = _Server(self._address, self._port, handler)
            except OSError as error:
                self._not_had(error)
                self._closing.wait(self._retry_s)
                continue
            with server:
                self._server = server
                log.log(logging.INFO if self.refused_ports else logging.DEBUG, "metrics on port %d", self._port)
                while not self._closing.is_set():
                    server.handle_request()

    def _not_had(self, error: OSError) -> None:
        self.refused_ports += 1
        level = logging.WARNING if self.refused_ports == 1 else logging.DEBUG
        where = f"{self._address} port {self._port}"
        log.log(
            level, "no metrics on %s: %s; all else goes on, tried again every %.0f s", where, error.strerror, RETRY_S
        )


class _Server(socketserver.TCPServer):
    """One scrape at a time: scrapers are few, and connections that say nothing must not become threads."""

    allow_reuse_address = True
    timeout = TURN_S

    def __init__(self, address: str, port: int, handler: type) -> None:
        self.address_family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
        self._serving: socket.socket | None = None
        self._broken_off = False
        super().__init__((address, port), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._serving = request
        if self._broken_off:
            self.break_off()
        try:
            super().process_request(request, client_address)
        finally:
            self._serving = None

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the library's signature
        """A scrape that failed: the scraper's fault is its own matter, ours is logged."""
        log.log(logging.DEBUG if _gone() else logging.ERROR, "a scrape failed", exc_info=True)

    def break_off(self) -> None:
        """End the scrape that is being answered, and any after it; from any thread."""
        self._broken_off = True
        serving = self._serving
        if serving is None:
            return
        try:
            serving.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has just ended by itself


def _gone() -> bool:
    return isinstance(sys.exc_info()[1], ConnectionError | TimeoutError)


def _family(figure: Figure) -> Metric:
    if isinstance(figure.values, Histogram):
        counts, total = figure.values.read()
        bounds = [str(float(bound)) for bound in figure.values.bounds]
        buckets = list(zip([*bounds, "+Inf"], map(float, counts), strict=True))
        return HistogramMetricFamily(figure.name, figure.text, buckets=buckets, sum_value=total)
    kind = CounterMetricFamily if figure.kind == "counter" else GaugeMetricFamily
    family = kind(figure.name, figure.text, labels=figure.labels)
    for labels, value in figure.values.items():
        family.add_metric(labels, value)
    return family
