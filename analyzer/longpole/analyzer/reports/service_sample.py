"""What a fair sample of the traces of one service says about it: its versions, its errors by type.

Both are figures of the sample, and say of how many traces: reading every span of an hour would take
longer than a page may.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc

from longpole.model.ids import join_trace_id, span_id_hex, trace_id_hex
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.span import StatusCode
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader

MOST_TRACES, MOST_SPANS, TRACES_A_READ = 200, 40_000, 40
# Failed traces of which the events are read, for the types of exceptions.
MOST_WITH_EVENTS = 40
MOST_VERSIONS, MOST_TYPES, MOST_EXAMPLES = 6, 12, 3
VERSION = "service.version"
EXCEPTION = "exception.type"
_TYPES = ("error.type", EXCEPTION)
_CODES = ("http.response.status_code", "http.status_code", "rpc.grpc.status_code")
_COLUMNS = ("trace_hi", "trace_lo", "span_id", "start_unix_nano", "status_code", "status_message")
_Row = Mapping[str, Any]


def service_versions(reader: TraceReader, service: str, time: TimeRange) -> dict[str, Any]:
    """The `versions` that sent the most spans of a sample, each with its `share` of them and when
    it was first seen in the sample; `is_new` when another version was seen before it. Spans that
    say no version do not count."""
    read = _sampled(reader, service, TraceQuery(_of(service), time, None), (VERSION,))
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    for row in read.rows(time):
        version = row[VERSION]
        if version:
            counts[version] += 1
            first[version] = min(row["start_unix_nano"], first.get(version, row["start_unix_nano"]))
    whole = counts.total()
    earliest = min(first.values(), default=0)
    return {
        "matched": read.matched,
        "sampled": read.sampled,
        "version_count": len(counts),
        "versions": [
            {
                "version": version,
                "share": round(count / whole, 6),
                "first_seen_unix_nano": first[version],
                "is_new": first[version] > earliest,
            }
            for version, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        ][:MOST_VERSIONS],
    }


@dataclass(slots=True)
class _Type:
    """Failed spans of one type; `key` is the attribute that says it, `statusMessage`, or empty."""

    key: str
    count: int = 0
    first: int = 1 << 63
    last: int = 0
    examples: dict[int, int] = field(default_factory=dict)  # span by trace

    def add(self, trace_id: int, row: _Row) -> None:
        self.count += 1
        self.first = min(self.first, row["start_unix_nano"])
        self.last = max(self.last, row["start_unix_nano"])
        if trace_id in self.examples or len(self.examples) < MOST_EXAMPLES:
            self.examples.setdefault(trace_id, row["span_id"])


def error_types(reader: TraceReader, service: str, time: TimeRange) -> dict[str, Any]:
    """The failed spans of a service by type, most first: the type that an attribute names, else
    that of the exception among its events (looked for in `MOST_WITH_EVENTS` traces), else the
    message of its status, else the status code of the answer.

    `key` is the attribute that holds `type` (`statusMessage` for a message; empty when only events
    do, or nothing does), so that all such traces can be found.
    """
    failed = Condition(Field.STATUS, Comparison.EQ, int(StatusCode.ERROR))
    query = TraceQuery((*_of(service), failed), time, None)
    read = _sampled(reader, service, query, (*_TYPES, *_CODES))
    by_trace: dict[int, list[_Row]] = defaultdict(list)
    for row in read.rows(time):
        if row["status_code"] == StatusCode.ERROR:
            by_trace[join_trace_id(row["trace_hi"], row["trace_lo"])].append(row)
    found: dict[tuple[str, str], _Type] = {}
    with_events = 0
    for trace_id, rows in by_trace.items():
        unnamed = [row["span_id"] for row in rows if not _named(row)]
        raised: Mapping[int, str] = {}
        if unnamed and with_events < MOST_WITH_EVENTS:
            with_events += 1
            raised = _raised(reader, trace_id, unnamed)
        for row in rows:
            key, text = _named(row) or _otherwise(row, raised.get(row["span_id"]))
            found.setdefault((key, text), _Type(key)).add(trace_id, row)
    ranked = sorted(found.items(), key=lambda item: (-item[1].count, item[0]))
    return {
        "matched": read.matched,
        "sampled": read.sampled,
        "type_count": len(ranked),
        "types": [
            {
                "type": text,
                "key": key,
                "count": one.count,
                "first_seen_unix_nano": one.first,
                "last_seen_unix_nano": one.last,
                "examples": [
                    {"trace_id": trace_id_hex(trace_id), "span_id": span_id_hex(span_id)}
                    for trace_id, span_id in one.examples.items()
                ],
            }
            for (key, text), one in ranked[:MOST_TYPES]
        ],
    }


def _of(service: str) -> tuple[Condition, ...]:
    return (Condition(Field.SERVICE, Comparison.EQ, service),)


@dataclass(frozen=True, slots=True)
class _Read:
    """Spans of one service in `sampled` of the `matched` traces, as rows of `_COLUMNS` and the
    attributes asked for."""

    spans: Sequence[_Row]
    matched: int
    sampled: int

    def rows(self, time: TimeRange) -> Iterator[_Row]:
        """Those that began in that time."""
        for row in self.spans:
            if time.start_unix_nano <= row["start_unix_nano"] < time.end_unix_nano:
                yield row


def _sampled(
    reader: TraceReader, service: str, query: TraceQuery, attributes: Sequence[str]
) -> _Read:
    sample = reader.sample_traces(query, MOST_TRACES)
    names = [*_COLUMNS, *attributes]
    spans: list[_Row] = []
    read = used = 0
    for begin in range(0, len(sample.trace_ids), TRACES_A_READ):
        if read >= MOST_SPANS:
            break
        ids = sample.trace_ids[begin : begin + TRACES_A_READ]
        whole = reader.whole_traces(ids, attributes).spans
        # Most spans of its traces are other services'; rows are made of its own only.
        is_own = pc.equal(whole.column("service_name"), service)
        spans += whole.filter(is_own).select(names).to_pylist()
        read += whole.num_rows
        used += len(ids)
    return _Read(spans, sample.matched, used)


def _named(row: _Row) -> tuple[str, str] | None:
    """A type that is more than a number: `error.type` may be just `500`."""
    for key in _TYPES:
        text = row.get(key)
        if text and not text.isdigit():
            return key, text
    return None


def _otherwise(row: _Row, exception: str | None) -> tuple[str, str]:
    if exception:
        return "", exception
    if row["status_message"]:
        return Field.STATUS_MESSAGE.value, row["status_message"]
    for key in (*_TYPES, *_CODES):
        if row.get(key):
            return key, row[key]
    return "", ""


def _raised(reader: TraceReader, trace_id: int, span_ids: Sequence[int]) -> dict[int, str]:
    """The type of the last exception among the events of each span."""
    raised: dict[int, str] = {}
    for span in reader.spans_of(trace_id, span_ids):
        for event in span.events:
            kind = event.attributes.get(EXCEPTION)
            if isinstance(kind, str) and kind:
                raised[span.span_id] = kind
    return raised
