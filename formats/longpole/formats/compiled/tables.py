"""The signals that compiled loops decode."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa

from longpole.formats.compiled.log_tables import tables_of_logs
from longpole.formats.compiled.metric_tables import tables_of_metrics
from longpole.formats.compiled.trace_tables import tables_of_traces
from longpole.model.signals import Signal

TABLES: Mapping[Signal, Callable[[bytes], tuple[dict[str, pa.Table], bool] | None]] = {
    Signal.TRACES: tables_of_traces,
    Signal.LOGS: tables_of_logs,
    Signal.METRICS: tables_of_metrics,
}
