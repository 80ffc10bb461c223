"""What Prometheus reads: requests, times, the steps of searches, and the state of the index.

Several processes add up their counts when PROMETHEUS_MULTIPROC_DIR names a folder before this is imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from flask import Flask, Response, current_app
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from indexer.errors import FathomError
from search.service import Service
from web.service import service
from web.trace import elapsed, route

_EXTENSION = "fathom-metrics"
# Seconds: a search takes milliseconds, a cold one a second.
_TIMES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The counts of one application in this process."""

    def __init__(self, served: Service) -> None:
        self.registry = CollectorRegistry()
        self.index = IndexState(served)
        own = self.registry
        self.requests = Counter("fathom_requests", "Requests answered.", ("route", "status"), registry=own)
        self.seconds = Histogram(
            "fathom_request_seconds", "Seconds until the answer was ready.", ("route",), buckets=_TIMES, registry=own
        )
        self.steps = Histogram(
            "fathom_search_step_seconds", "Seconds by step.", ("step",), buckets=_TIMES, registry=own
        )
        self.batch_queries = Counter("fathom_batch_queries", "Lines of batches answered.", ("outcome",), registry=own)

    def observe(self, timings_ms: dict[str, float]) -> None:
        """Count what each step of a search took."""
        for step, spent in timings_ms.items():
            self.steps.labels(step).observe(spent / 1e3)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format, the counts of the other processes added."""
        counted = self.registry
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            counted = CollectorRegistry()
            MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
        state = CollectorRegistry()
        state.register(self.index)
        return generate_latest(counted) + generate_latest(state)


class IndexState(Collector):
    """The index as it is when it is asked for: the same from every process."""

    def __init__(self, served: Service) -> None:
        self._served = served

    def collect(self) -> Iterator[Metric]:
        """Yield whether there is an index, and its newest generation's number, units and share of vectors."""
        try:
            status = self._served.status()
        except FathomError:
            yield GaugeMetricFamily("fathom_index_up", "1 when there is an index to search.", 0)
            return
        yield GaugeMetricFamily("fathom_index_up", "1 when there is an index to search.", 1)
        yield GaugeMetricFamily("fathom_index_generation", "Number of the newest generation.", status.generation)
        yield GaugeMetricFamily("fathom_index_units", "Units that can be found.", status.units)
        yield GaugeMetricFamily("fathom_index_complete", "Share of units with vectors.", status.complete)


def install(app: Flask) -> None:
    """Let an application count its requests."""
    app.extensions[_EXTENSION] = counted = Metrics(service(app))

    @app.after_request
    def count(response: Response) -> Response:
        counted.requests.labels(route(), response.status_code).inc()
        counted.seconds.labels(route()).observe(elapsed())
        return response


def metrics(app: Flask) -> Metrics:
    """Return the counts of an application."""
    found: Metrics = app.extensions[_EXTENSION]
    return found


def page() -> Response:
    """Return the current application's counts as Prometheus reads them."""
    return Response(metrics(current_app).text(), content_type=CONTENT_TYPE_LATEST)
