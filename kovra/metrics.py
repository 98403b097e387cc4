"""What Prometheus reads: one page per process, on this machine alone unless told otherwise."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

log = logging.getLogger(__name__)

#: So many processes of one machine may share a port number: each takes the first one free.
PORTS = 16


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One number as it is now; ``counts`` says that it only ever grows."""

    name: str
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    counts: bool = False


class Metrics:
    """The numbers of one process. Building one opens nothing."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.relayed = Counter("kovra_relayed", "Messages the relay put on a lane again", registry=self.registry)
        self.refused = Counter(
            "kovra_envelopes_refused", "Lane entries that were not executed", ["cause"], registry=self.registry
        )
        self._failed = Counter(
            "kovra_readings_failed", "Times that something could not be read for this page", ["what"],
            registry=self.registry,
        )  # fmt: skip

    def watch(self, what: str, read: Callable[[], Iterable[Reading]]) -> None:
        """Ask ``read`` at every scrape. When it fails the page goes without, and says so."""
        self.registry.register(_Source(what, read, self._failed))

    def serve(self, host: str, port: int) -> int:
        """Serve the page at the first free port from this one on; which it was.

        Raises:
            OSError: none of them was free.
        """
        for each in range(port, port + PORTS):
            try:
                start_http_server(each, host, self.registry)
            except OSError as error:
                if each == port + PORTS - 1:
                    raise OSError(f"none of the ports {port} to {each} is free for metrics: {error}") from error
            else:
                log.info("metrics are at http://%s:%d/metrics", host, each)
                return each
        raise AssertionError


class _Source:
    def __init__(self, what: str, read: Callable[[], Iterable[Reading]], failed: Counter) -> None:
        self._what, self._read, self._failed = what, read, failed

    def describe(self) -> list[Metric]:
        return []  # asking for names now would read everything

    def collect(self) -> Iterator[Metric]:
        try:
            readings = list(self._read())
        except Exception:
            # A database that is away must not take the other numbers off the page.
            log.warning("%s could not be read for the metrics", self._what, exc_info=True)
            self._failed.labels(self._what).inc()
            return
        families: dict[str, Metric] = {}
        for reading in readings:
            kind = CounterMetricFamily if reading.counts else GaugeMetricFamily
            family = families.get(reading.name) or kind(reading.name, reading.help, labels=list(reading.labels))
            family.add_metric(list(reading.labels.values()), reading.value)
            families[reading.name] = family
        yield from families.values()
