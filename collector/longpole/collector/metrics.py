"""The collector's own metrics: one table, from which they are registered and documented.

No label value is ever taken from a request, so a sender cannot make series.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


@dataclass(frozen=True, slots=True)
class Metric:
    """One row: `kind` is counter, gauge or histogram, `unit` a Prometheus base unit."""

    name: str
    kind: str
    unit: str
    labels: tuple[str, ...]
    help: str


_ROWS = (
    Metric(
        "longpole_collector_requests_total", "counter", "requests",
        ("transport", "signal", "outcome"),
        "Export requests answered. outcome: accepted, partial (some records rejected), "
        "refused (the sender's fault), unavailable (the sender should retry), failed (a "
        "fault of the server), abandoned (the sender left before the answer).",
    ),
    Metric(
        "longpole_collector_records_total", "counter", "records", ("signal", "outcome"),
        "Spans, log records and metric points. outcome: accepted, repeated (in a request "
        "that was already kept), rejected.",
    ),
    Metric(
        "longpole_collector_problems_total", "counter", "records", ("signal", "code"),
        "Records that were rejected or altered on the way in, by the code of the problem.",
    ),
    Metric(
        "longpole_collector_refusals_total", "counter", "requests", ("transport", "reason"),
        "Requests refused as a whole, by the code of the refusal.",
    ),
    Metric(
        "longpole_collector_received_bytes_total", "counter", "bytes", ("transport", "signal"),
        "Bytes of request bodies as they were sent.",
    ),
    Metric(
        "longpole_collector_decoded_bytes_total", "counter", "bytes", ("transport", "signal"),
        "Bytes of request bodies after decompression.",
    ),
    Metric(
        "longpole_collector_request_duration_seconds", "histogram", "seconds",
        ("transport", "signal"),
        "From the first byte of the body to the answer, durability included.",
    ),
    Metric(
        "longpole_collector_in_flight_bytes", "gauge", "bytes", (),
        "Bytes of request bodies received and not yet answered.",
    ),
)  # fmt: skip
METRICS: Mapping[str, Metric] = {row.name: row for row in _ROWS}

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class CollectorMetrics:
    """The registered metrics; one attribute for each row of the table."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str) -> Counter:
            row = METRICS[f"longpole_collector_{name}_total"]
            return Counter(row.name, row.help, row.labels, registry=registry)

        self.requests = counter("requests")
        self.records = counter("records")
        self.problems = counter("problems")
        self.refusals = counter("refusals")
        self.received_bytes = counter("received_bytes")
        self.decoded_bytes = counter("decoded_bytes")
        row = METRICS["longpole_collector_request_duration_seconds"]
        self.duration = Histogram(
            row.name, row.help, row.labels, buckets=_BUCKETS, registry=registry
        )
        row = METRICS["longpole_collector_in_flight_bytes"]
        self._in_flight = Gauge(row.name, row.help, registry=registry)

    def watch_in_flight(self, read: Callable[[], float]) -> None:
        """Have the gauge read the budget whenever it is scraped."""
        self._in_flight.set_function(read)
