"""Calls between services as the series that Grafana draws its service graph from
(`traces_service_graph_*`, as Tempo's generator and OpenTelemetry's connector make them)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from longpole.analyzer.promql.catalog import MetricMetadata
from longpole.analyzer.promql.numbers import written
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql.series import Floats
from longpole.analyzer.promql_sources.step_grid import Key, StepSettings
from longpole.analyzer.promql_sources.stepped_counters import CounterFamily, Part, SteppedCounters
from longpole.model.clock import Clock
from longpole.model.columns import RED_BOUNDS_NS
from longpole.storage.ports import CallReader, CallSeriesQuery

KEY = ("client", "server", "connection_type")
TOTAL, FAILED = "traces_service_graph_request_total", "traces_service_graph_request_failed_total"
CLIENT, SERVER = (f"traces_service_graph_request_{side}_seconds" for side in ("client", "server"))
INFO = "traces_service_graph_connection_info"
_NS = 1e9
BOUNDS = (*(written(ns / _NS) for ns in RED_BOUNDS_NS), "+Inf")


def service_graph(
    reader: CallReader, clock: Clock, settings: StepSettings, most_keys: int = 10_000
) -> SteppedCounters:
    """The series. Of more than `most_keys` edges, those with the fewest calls are one for each type
    of connection, with `otel_metric_overflow`. Exemplars are kept of spans, not of calls."""
    metadata = {
        TOTAL: [MetricMetadata("counter", "Calls between two services")],
        FAILED: [MetricMetadata("counter", "Calls between two services that failed")],
        CLIENT: [MetricMetadata("histogram", "Calls as the client saw them", "seconds")],
        SERVER: [MetricMetadata("histogram", "Calls as the server saw them", "seconds")],
        INFO: [MetricMetadata("gauge", "1 for each pair of services that call each other")],
    }
    return SteppedCounters(
        _FAMILY, metadata,
        lambda time, step_ns, by_step: reader.call_series(CallSeriesQuery(time, step_ns, by_step)),
        clock, settings, most_keys,
    )  # fmt: skip


def graph_numbers(rows: pa.Table) -> Floats:
    """Calls, failed ones, seconds of both sides, and calls of both sides up to each bound."""
    plain = [rows.column(name).to_numpy().astype(np.float64) for name in ("count", "failed")]
    plain += [rows.column(f"{side}_ns").to_numpy() / _NS for side in ("client", "server")]
    blocks = [np.stack(plain, axis=1)]
    for side in ("client", "server"):
        lists = rows.column(f"{side}_buckets").combine_chunks()
        flat = lists.flatten().to_numpy().astype(np.float64)
        blocks.append(np.cumsum(flat.reshape(rows.num_rows, len(BOUNDS)), axis=1))
    return np.concatenate(blocks, axis=1)


def _parts() -> Iterator[Part]:
    """The series of an edge, and their columns in `graph_numbers`."""
    yield _part(TOTAL, 0)
    yield _part(FAILED, 1)
    for side, name in enumerate((CLIENT, SERVER)):
        yield _part(f"{name}_sum", 2 + side)
        yield _part(f"{name}_count", 0)
        for place, le in enumerate(BOUNDS, 4 + side * len(BOUNDS)):
            yield _part(f"{name}_bucket", place, le)
    yield _part(INFO, None)


def _part(name: str, column: int | None, le: str = "") -> Part:
    return Part(((NAME, name), ("le", le)), column)


def _labels(key: Key) -> dict[str, str]:
    return {"client": key[0], "server": key[1], "connection_type": key[2]}


_FAMILY = CounterFamily(
    key=KEY,
    weight="count",
    parts=tuple(_parts()),
    key_label_names=frozenset(KEY),
    numbers=graph_numbers,
    key_labels=_labels,
    rest=lambda key: ("", "", key[2]),
)
