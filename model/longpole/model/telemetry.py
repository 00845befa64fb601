"""One decoded request: its rows as Arrow tables, and what was wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from longpole.model import columns
from longpole.model.problem import Problem
from longpole.model.signals import Signal

TABLES_OF_SIGNAL: Mapping[Signal, Mapping[str, pa.Schema]] = {
    Signal.TRACES: {
        "spans": columns.SPANS,
        "span_events": columns.SPAN_EVENTS,
        "span_links": columns.SPAN_LINKS,
        "resources": columns.RESOURCES,
        "scopes": columns.SCOPES,
    },
    Signal.LOGS: {
        "logs": columns.LOGS,
        "resources": columns.RESOURCES,
        "scopes": columns.SCOPES,
    },
    Signal.METRICS: {
        "metric_points": columns.METRIC_POINTS,
        "metric_series": columns.METRIC_SERIES,
        "resources": columns.RESOURCES,
        "scopes": columns.SCOPES,
    },
}
# The table that holds one row per record, by signal.
RECORD_TABLE = {
    Signal.TRACES: "spans",
    Signal.LOGS: "logs",
    Signal.METRICS: "metric_points",
}


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Rows of one signal.

    `tables` holds every table of `TABLES_OF_SIGNAL[signal]`, row ids counted from 0 in the
    order of the request. `body` is an OTLP protobuf request that strict parsers accept and
    that holds exactly these rows: the bytes received when nothing had to be changed, else
    re-encoded without the rejected and with the salvaged parts. `rejected` counts the
    records that are not in `tables`. `problems` say why, and what was altered.
    `has_time` is false when no record carries a time, so that equal requests may be meant.
    """

    signal: Signal
    tables: Mapping[str, pa.Table]
    body: bytes
    rejected: int = 0
    problems: tuple[Problem, ...] = field(default=())
    has_time: bool = True

    @property
    def accepted(self) -> int:
        """How many records the tables hold."""
        return int(self.tables[RECORD_TABLE[self.signal]].num_rows)
