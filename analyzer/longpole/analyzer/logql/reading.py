"""Reads the records that a query can mean from storage, narrowed by what storage can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from longpole.analyzer.logql.expressions import LabelFilter, LineFilter, Lines
from longpole.analyzer.logql.labels import records_of
from longpole.analyzer.logql.pipeline import Line, compiled
from longpole.analyzer.logql.refusals import TooMuch
from longpole.model.query import LogQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader

MOST_RECORDS = 200_000
MOST_SECONDS = 30.0
_FIRST = 2_000
_GROWTH = 10


def log_query(lines: Lines, time: TimeRange, limit: int) -> LogQuery:
    """A question to storage that no line of the query falls out of."""
    services = tuple(
        matcher.value
        for matcher in lines.matchers
        if matcher.name == "service_name" and matcher.operator == "=" and matcher.value
    )
    text = ""
    trace_ids: tuple[int, ...] = ()
    for stage in lines.stages:
        match stage:
            case LineFilter("|=", (only,)):
                text = max(text, only, key=len)
            case LineFilter("|>", (only,)):
                text = max(text, *only.split("<_>"), key=len)
            case LabelFilter("trace_id", "=" | "==", str(value)) if _is_trace_id(value):
                trace_ids = (int(value, 16),)
            case LineFilter():
                pass
            case _:
                break  # what comes after a stage that changes lines or labels tells nothing
    return LogQuery(time, services[:1], text=text, trace_ids=trace_ids, limit=limit)


def newest_lines(
    store: TraceReader, lines: Lines, time: TimeRange, limit: int, elapsed: Callable[[], float]
) -> list[Line]:
    """The newest lines that are left, newest first. Raises `TooMuch` when too many records would
    have to be looked at for them."""
    run = compiled(lines)
    asked = max(_FIRST, limit)
    while True:
        asked = min(asked, MOST_RECORDS)
        found = store.find_logs(log_query(lines, time, asked))
        kept: list[Line] = []
        for record in records_of(found.logs):
            line = run(record)
            if line is not None:
                kept.append(line)
                if len(kept) >= limit:
                    return kept
        if not found.is_truncated:
            return kept
        _check(asked, elapsed)
        asked *= _GROWTH


def all_lines(
    store: TraceReader, lines: Lines, time: TimeRange, elapsed: Callable[[], float]
) -> Iterator[Line]:
    """Every line that is left, newest first. Raises `TooMuch`."""
    found = store.find_logs(log_query(lines, time, MOST_RECORDS))
    if found.is_truncated:
        _check(MOST_RECORDS, elapsed)
    run = compiled(lines)
    for number, record in enumerate(records_of(found.logs)):
        if not number % 10_000:
            _check(0, elapsed)
        line = run(record)
        if line is not None:
            yield line


def _check(asked: int, elapsed: Callable[[], float]) -> None:
    if asked >= MOST_RECORDS:
        raise TooMuch(
            f"more than {MOST_RECORDS:,} log records would have to be looked at: ask for less "
            'time, or narrow it by service_name="…" or |= "…"'
        )
    if elapsed() > MOST_SECONDS:
        raise TooMuch(f"the query took more than {MOST_SECONDS:g} s: ask for less time")


def _is_trace_id(text: str) -> bool:
    return len(text) == 32 and all(digit in "0123456789abcdef" for digit in text)
