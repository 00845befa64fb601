"""Where the time of traces went, as a counter: `longpole_critical_path_seconds_total`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from longpole.analyzer.promql.catalog import MetricMetadata
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql.series import Floats
from longpole.analyzer.promql_sources.step_grid import Key, StepSettings
from longpole.analyzer.promql_sources.stepped_counters import CounterFamily, Part, SteppedCounters
from longpole.model.clock import Clock
from longpole.storage.ports import PathSeriesQuery, TraceReader

METRIC = "longpole_critical_path_seconds_total"
_HELP = "Time on the critical path of traces, by root, service, operation and what it was spent on"


def path_metrics(
    reader: TraceReader, clock: Clock, settings: StepSettings, most_keys: int = 10_000
) -> SteppedCounters:
    """The counter. Of more than `most_keys` series, those with the least time are one for each
    service and label, with `otel_metric_overflow`."""
    return SteppedCounters(
        _FAMILY, {METRIC: [MetricMetadata("counter", _HELP, "seconds")]},
        lambda time, step_ns, by_step: reader.path_series(PathSeriesQuery(time, step_ns, by_step)),
        clock, settings, most_keys,
    )  # fmt: skip


def path_labels(key: Key) -> dict[str, str]:
    """The labels of root service, root operation, service, operation, label; then "true" for what
    stands for the rest."""
    return {NAME: METRIC} | _FAMILY.labels(key)


def _numbers(rows: pa.Table) -> Floats:
    numbers = np.asarray(rows.column("critical_ns").to_numpy(), np.float64)
    return numbers.reshape(-1, 1)


def _labels(key: Key) -> dict[str, str]:
    root = " ".join(part for part in key[:2] if part)
    return {"root": root, "service": key[2], "operation": key[3], "label": key[4]}


_FAMILY = CounterFamily(
    key=("root_service", "root_operation", "service", "operation", "label"),
    weight="critical_ns",
    parts=(Part(((NAME, METRIC),), 0, 1e9),),
    key_label_names=frozenset({"root", "service", "operation", "label"}),
    numbers=_numbers,
    key_labels=_labels,
    rest=lambda key: ("", "", key[2], "", key[4]),
)
