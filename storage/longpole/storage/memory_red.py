"""Adds up rate, errors and durations kept with plain rows: `red_rows` and `red_series`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from longpole.model.timerange import TimeRange
from longpole.storage.answers import PATH_SERIES, RED_SERIES, RED_TOTALS
from longpole.storage.memory_trace import KeptTrace
from longpole.storage.red_answers import PathSeriesQuery, RedQuery, RedSeries

_LARGEST = (1 << 63) - 1
_KEY = ("step_unix_nano", "kind", "status_code")
_SERIES_KEY = ("step_unix_nano", "service", "operation", "kind", "status_code")
_SUMS = ("count", "errors", "duration_sum_ns", "critical_ns")


class MemoryRed(ABC):
    """What `TraceReader` promises of RED, over the traces of a memory store."""

    @abstractmethod
    def kept(self) -> Mapping[int, KeptTrace]:
        """Every trace as it is now."""

    def red_rows(self, time: TimeRange, service: str, operation: str) -> pa.Table:
        """See `ports.TraceReader`."""
        return red_rows(_rows(self.kept().values()), time, service, operation)

    def red_series(self, query: RedQuery) -> RedSeries:
        """See `ports.TraceReader`."""
        traces = self.kept().values()
        return RedSeries(red_series(_rows(traces), query), sum(bool(t.unexplained) for t in traces))

    def path_series(self, query: PathSeriesQuery) -> pa.Table:
        """See `ports.TraceReader`."""
        totals: dict[tuple[Any, ...], int] = {}
        for row in _rows(self.kept().values(), "path_segments"):
            end = row["end_unix_nano"]
            if query.time.start_unix_nano <= end < query.time.end_unix_nano:
                step = end - end % query.step_ns
                key = (
                    step if query.by_step else query.time.start_unix_nano,
                    *(row[name] for name in PATH_SERIES.names[1:-1]),
                )
                totals[key] = totals.get(key, 0) + end - row["start_unix_nano"]
        rows = [(*key, min(totals[key], _LARGEST)) for key in sorted(totals)]
        return pa.Table.from_pylist(
            [dict(zip(PATH_SERIES.names, row, strict=True)) for row in rows], schema=PATH_SERIES
        )


def _rows(traces: Iterable[KeptTrace], table: str = "red") -> list[Mapping[str, Any]]:
    return [row for trace in traces for row in trace.derived.get(table, ())]


def red_rows(
    kept: Iterable[Mapping[str, Any]], time: TimeRange, service: str, operation: str
) -> pa.Table:
    """The rows of one operation, by step, kind and status."""
    totals: dict[tuple[int, ...], dict[str, Any]] = {}
    for row in kept:
        if (row["service"], row["operation"]) != (service, operation):
            continue
        if not time.start_unix_nano <= row["step_unix_nano"] < time.end_unix_nano:
            continue
        key = tuple(row[name] for name in _KEY)
        known = totals.get(key)
        if known is None:
            totals[key] = {name: row[name] for name in RED_TOTALS.names}
            continue
        for name in _SUMS:
            known[name] = min(known[name] + row[name], _LARGEST)
        known["bucket_counts"] = [
            mine + theirs
            for mine, theirs in zip(known["bucket_counts"], row["bucket_counts"], strict=True)
        ]
    return pa.Table.from_pylist([totals[key] for key in sorted(totals)], schema=RED_TOTALS)


def red_series(kept: Iterable[Mapping[str, Any]], query: RedQuery) -> pa.Table:
    """The rows of `RedSeries`."""
    totals: dict[tuple[Any, ...], dict[str, Any]] = {}
    slowest: dict[tuple[Any, ...], int] = {}
    for row in kept:
        step = row["step_unix_nano"]
        if not query.time.start_unix_nano <= step < query.time.end_unix_nano:
            continue
        if query.services and row["service"] not in query.services:
            continue
        if query.operation is not None and row["operation"] != query.operation:
            continue
        key = (
            step - step % query.step_ns if query.by_step else query.time.start_unix_nano,
            row["service"],
            row["operation"] if query.by_operation else "",
            row["kind"],
            row["status_code"],
        )
        known = totals.get(key)
        if known is None:
            known = totals[key] = dict(zip(_SERIES_KEY, key, strict=True)) | {
                **dict.fromkeys(_SUMS, 0), "bucket_counts": [0] * len(row["bucket_counts"])
            }  # fmt: skip
        for name in _SUMS:
            known[name] += row[name]
        pairs = zip(known["bucket_counts"], row["bucket_counts"], strict=True)
        known["bucket_counts"] = [mine + theirs for mine, theirs in pairs]
        took = row["duration_sum_ns"] // max(1, row["count"])
        if took > slowest.get(key, -1):
            slowest[key] = took
            known |= {"exemplar_hi": row["trace_hi"], "exemplar_lo": row["trace_lo"]}
    for known in totals.values():
        if not query.with_buckets:
            known["bucket_counts"] = []
        known |= {name: min(known[name], _LARGEST) for name in _SUMS}
    return pa.Table.from_pylist([totals[key] for key in sorted(totals)], schema=RED_SERIES)
