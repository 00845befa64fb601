"""The report of log patterns: how often each comes, and what changed against the time before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from longpole.analyzer.correlation.log_lines import LogLine, level_of, log_lines
from longpole.analyzer.correlation.template_changes import Pattern, patterns_of
from longpole.model.ids import span_id_hex, trace_id_hex
from longpole.model.query import LogQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader

MOST_RECORDS = 200_000  # read of either side
_EVER = TimeRange()
_MINUTE_NS = 60 * 10**9


@dataclass(frozen=True, slots=True)
class _Side:
    """What was read of a stretch of time."""

    time: TimeRange
    lines: Sequence[LogLine]
    spans: dict[str, int]
    is_truncated: bool
    notices: tuple[str, ...]

    @property
    def minutes(self) -> float:
        """How long it is."""
        return (self.time.end_unix_nano - self.time.start_unix_nano) / _MINUTE_NS


def log_patterns_report(
    reader: TraceReader,
    query: LogQuery,
    baseline_ns: int | None = None,
    *,
    now_unix_nano: int = 0,
) -> dict[str, Any]:
    """Patterns of the matching records, worst changes first, compared with the baseline: what is
    right before the window, `baseline_ns` long or else as long as the window.

    A window without an end ends with the newest record in it, whether that one matches or not;
    without any, at `now_unix_nano`. Nothing is before a window without a beginning.
    Rates are records per span of the service where it sent spans on both sides, else per minute;
    `unit` tells which. Without a baseline there is no state and no order but by count. At most
    `MOST_RECORDS` of either side are read, the newest; `is_truncated` says that there are more.
    """
    after = _read(reader, query, _closed(reader, query.time, now_unix_nano))
    before = None
    if query.time.start_unix_nano != _EVER.start_unix_nano:
        before = _read(reader, query, _right_before(after.time, baseline_ns))
    now: dict[str, float] = {}
    was: dict[str, float] = {}
    units: dict[str, str] = {}
    services = {line.service for side in (after, before) if side for line in side.lines}
    for service in services:
        spans = after.spans.get(service, 0), before.spans.get(service, 0) if before else 0
        if before is None:
            units[service] = "span" if spans[0] else "minute"
            now[service] = spans[0] or after.minutes
        elif spans[0] and spans[1]:
            now[service], was[service], units[service] = spans[0], spans[1], "span"
        else:
            now[service], was[service], units[service] = after.minutes, before.minutes, "minute"
    patterns = patterns_of(after.lines, before.lines if before else (), now, was)
    if before is not None:
        patterns.sort(key=_most_telling)
    sides = [side for side in (after, before) if side is not None]
    return {
        "window": _range(after),
        "baseline": _range(before) if before is not None else None,
        "patterns": [_pattern(one, units[one.service], before is not None) for one in patterns],
        "is_truncated": any(side.is_truncated for side in sides),
        "notices": list(dict.fromkeys(notice for side in sides for notice in side.notices)),
    }


def _closed(reader: TraceReader, time: TimeRange, now_unix_nano: int) -> TimeRange:
    if time.end_unix_nano != _EVER.end_unix_nano:
        return time
    newest = reader.find_logs(LogQuery(time=time, limit=1)).logs.column("time_unix_nano")
    end = newest[0].as_py() + 1 if len(newest) else max(now_unix_nano, time.start_unix_nano + 1)
    return TimeRange(time.start_unix_nano, end)


def _right_before(window: TimeRange, length_ns: int | None) -> TimeRange:
    start = window.start_unix_nano
    length = window.end_unix_nano - start if length_ns is None else length_ns
    return TimeRange(max(_EVER.start_unix_nano, start - length), start)


def _read(reader: TraceReader, query: LogQuery, time: TimeRange) -> _Side:
    found = reader.find_logs(replace(query, time=time, limit=MOST_RECORDS))
    lines = log_lines(found.logs)
    begin, end = time.start_unix_nano, time.end_unix_nano
    if lines and begin == _EVER.start_unix_nano:
        begin = min(line.time_unix_nano for line in lines)
    spans = {service.name: service.span_count for service in reader.services(time)}
    notices = found.notices
    if found.is_truncated:
        notices = (*notices, f"only the newest {MOST_RECORDS:,} records were read")
    return _Side(TimeRange(begin, max(end, begin + 1)), lines, spans, found.is_truncated, notices)


def _most_telling(pattern: Pattern) -> tuple[bool, float, int, str, str]:
    """Changed ones first, by how surely they changed."""
    is_same = pattern.state == "same"
    return is_same, -abs(pattern.z), -pattern.count, pattern.service, pattern.template


def _range(side: _Side) -> dict[str, Any]:
    return {
        "start_unix_nano": side.time.start_unix_nano,
        "end_unix_nano": side.time.end_unix_nano,
        "records": len(side.lines),
    }


def _pattern(one: Pattern, unit: str, is_compared: bool) -> dict[str, Any]:
    example = one.example
    return {
        "template": one.template,
        "service": one.service,
        "level": level_of(one.severity, ""),
        "levels": dict(sorted(one.levels.items())),
        "state": str(one.state) if is_compared else None,
        "count": one.count,
        "baseline_count": one.baseline_count if is_compared else None,
        "rate": round(one.rate, 9),
        "baseline_rate": round(one.baseline_rate, 9) if is_compared else None,
        "unit": unit,
        "z": round(one.z, 3) if is_compared else None,
        "first_seen_unix_nano": example.time_unix_nano,
        "example": {
            "body": example.body,
            "trace_id": trace_id_hex(example.trace_id) if example.trace_id else None,
            "span_id": span_id_hex(example.span_id) if example.span_id else None,
        },
    }
