"""Answers made of single records: log records and metric points."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class FoundLogs:
    """Matching log records, newest first; of equally old ones, those that arrived last.

    `logs` has `answers.FOUND_LOGS`: time_unix_nano (of the observation where the record has no
    time), trace_hi, trace_lo, span_id, severity_number, severity_text, body (null: none; no
    text: OTLP/JSON), service_name, resource_id, event_name, and `attributes` and `resource`,
    the attributes of record and resource as one JSON object each. `is_truncated`: more match
    than the limit let through.
    """

    logs: pa.Table
    is_truncated: bool = False
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricPoints:
    """Matching metric points, by series and time.

    `points` has `answers.FOUND_POINTS`: `series` (row number in `series`), start_unix_nano,
    time_unix_nano, flags, `value` (a double, whatever was sent; null for histograms and
    summaries), then count, sum, buckets and quantiles as stored. `series` has
    `answers.FOUND_SERIES`: name, unit, type, temporality, is_monotonic, service_name,
    resource_id, and `attributes` and `resource` as JSON objects; each has a point.
    """

    points: pa.Table
    series: pa.Table
    notices: tuple[str, ...] = ()
