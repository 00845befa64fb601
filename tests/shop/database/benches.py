"""A database on the bench: open, with everything it says about itself within reach."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import make_url

from shop.chassis.database import SqlDatabase
from shop.chassis.settings import Settings


@dataclass
class Bench:
    """Opens databases on one URL; all of them write to the same spans and metrics."""

    url: str
    data_dir: Path
    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)
    opened: list[SqlDatabase] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)

    def open(
        self, schema: Sequence[str] = (), pool_size: int = 5, pool_timeout_seconds: float = 2.0
    ) -> SqlDatabase:
        database = SqlDatabase(
            Settings(
                service_name="payment-service",
                data_dir=self.data_dir,
                database_url=self.url,
                database_pool_size=pool_size,
                database_pool_timeout_seconds=pool_timeout_seconds,
            ),
            schema,
            tracer_provider=self.tracers,
            meter_provider=self.meters,
        )
        self.opened.append(database)
        return database

    def names(self) -> list[str]:
        return [span.name for span in self.spans.get_finished_spans()]

    def span(self, name: str) -> ReadableSpan:
        (span,) = [span for span in self.spans.get_finished_spans() if span.name == name]
        return span

    def metric(self, name: str, **attributes: str) -> Any:
        """The value of a sum, or how often a histogram was recorded; 0 before the first time."""
        points = [
            point
            for point in self._points(name)
            if attributes.items() <= dict(point.attributes or {}).items()
        ]
        return sum(getattr(point, "value", getattr(point, "count", 0)) for point in points)

    def boundaries(self, name: str) -> list[float]:
        """Where a histogram is divided, in seconds."""
        return [float(bound) for bound in self._points(name)[0].explicit_bounds]

    def _points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def close(self) -> None:
        for database in self.opened:
            database.close()
        self.tracers.shutdown()
        self.meters.shutdown()


def seconds_of(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


@contextmanager
def bench(kind: str, tmp_path: Path, server: Callable[[], str]) -> Iterator[Bench]:
    """A bench with a new and empty database; `server` is asked for PostgreSQL's URL."""
    if kind == "sqlite":
        made = Bench("", tmp_path)
        try:
            yield made
        finally:
            made.close()
        return
    # A schema takes a tenth of the time of a database. PostgreSQL looks for tables in the schema
    # that is named like the user.
    url, name = make_url(server()), f"shop_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(str(url), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN".encode())
        connection.execute(f"CREATE SCHEMA AUTHORIZATION {name}".encode())
    made = Bench(url.set(username=name).render_as_string(hide_password=False), tmp_path)
    try:
        yield made
    finally:
        made.close()
