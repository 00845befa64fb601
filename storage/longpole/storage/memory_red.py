"""Adds up the rate, errors and durations kept with plain rows, as `red_rows` promises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from longpole.model.timerange import TimeRange
from longpole.storage.answers import RED_TOTALS

_LARGEST = (1 << 63) - 1
_KEY = ("step_unix_nano", "kind", "status_code")
_SUMS = ("count", "errors", "duration_sum_ns", "critical_ns")


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
