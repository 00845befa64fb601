"""Telemetry written out as a stream of chunks, in the formats that other tools read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from longpole.analyzer.explain import explain
from longpole.analyzer.reports.clocks_nearby import clocks_nearby
from longpole.dashboards.errors import BadQuestion
from longpole.dashboards.sql_rows import encoded
from longpole.formats import otlp
from longpole.model.ids import join_trace_id
from longpole.model.query import TraceQuery
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry
from longpole.model.trace import Trace
from longpole.storage.ports import Exporter, TraceReader


class Source(TraceReader, Exporter, Protocol):
    """What an export reads from."""


@dataclass(frozen=True, slots=True)
class Format:
    """One row of the table of export formats."""

    name: str
    media_type: str
    suffix: str
    signals: frozenset[Signal]
    chunks: Callable[[Source, Signal, TraceQuery | None], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Export:
    """A stream that has a type and a harmless file name."""

    media_type: str
    file_name: str
    chunks: Iterator[bytes]


def _protobuf(source: Source, signal: Signal, query: TraceQuery | None) -> Iterator[bytes]:
    # Concatenated OTLP requests are one valid request.
    for telemetry in source.export(signal, query):
        yield telemetry.body or otlp.encode(signal, telemetry.tables)


def _json_lines(source: Source, signal: Signal, query: TraceQuery | None) -> Iterator[bytes]:
    for telemetry in source.export(signal, query):
        yield otlp.encode_json(signal, telemetry.tables) + b"\n"


def _jaeger(source: Source, signal: Signal, query: TraceQuery | None) -> Iterator[bytes]:
    from longpole.formats import jaeger
    from longpole.formats.rows import telemetry_of_spans

    # Jaeger's document groups by trace, so it is written trace by trace, each one whole.
    yield b'{"data":['
    separator = b""
    for trace in _traces(source, query):
        yield separator + _inside(jaeger.encode(telemetry_of_spans(trace.spans).tables))
        separator = b","
    yield b"]}\n"


def _zipkin(source: Source, signal: Signal, query: TraceQuery | None) -> Iterator[bytes]:
    yield b"["
    separator = b""
    for telemetry in source.export(signal, query):
        inside = _inside(_zipkin_array(telemetry))
        if inside:
            yield separator + inside
            separator = b","
    yield b"]\n"


def _zipkin_array(telemetry: Telemetry) -> bytes:
    from longpole.formats import zipkin

    return zipkin.encode(telemetry.tables)


def _chrome(source: Source, signal: Signal, query: TraceQuery | None) -> Iterator[bytes]:
    from longpole.analyzer.reports.trace_profile import trace_events

    yield b'{"displayTimeUnit":"ms","traceEvents":['
    separator, process = b"", 1
    for trace in _traces(source, query):
        e = explain(trace, None, clocks_nearby(source, trace))
        for event in trace_events(e, e.spans.sent, process):
            yield separator + encoded(event)
            separator = b",\n"
        process += e.service_count + 1
    yield b"]}\n"


def _speedscope(source: Source, signal: Signal, query: TraceQuery | None) -> Iterator[bytes]:
    from longpole.analyzer.reports.trace_profile import path_profile, speedscope_file

    frames: dict[str, int] = {}
    profiles = [
        path_profile(explain(trace, None, clocks_nearby(source, trace)), frames)
        for trace in _traces(source, query)
    ]
    yield encoded(speedscope_file(frames, profiles)) + b"\n"


def _traces(source: Source, query: TraceQuery | None) -> Iterator[Trace]:
    """The matching traces, whole, one after the other."""
    found = source.find_traces(query or TraceQuery(limit=None)).traces
    for trace_hi, trace_lo in zip(
        found.column("trace_hi").to_pylist(), found.column("trace_lo").to_pylist(), strict=True
    ):
        trace = source.trace(join_trace_id(trace_hi, trace_lo))
        if trace is not None:
            yield trace


def _inside(document: bytes) -> bytes:
    """What stands between the outermost brackets of an array."""
    return document[document.index(b"[") + 1 : document.rindex(b"]")].strip()


_EVERY = frozenset(Signal)
_TRACES = frozenset({Signal.TRACES})
FORMATS = {
    row.name: row
    for row in (
        Format("otlp-json", "application/x-ndjson", "jsonl", _EVERY, _json_lines),
        Format("otlp-protobuf", "application/x-protobuf", "binpb", _EVERY, _protobuf),
        Format("jaeger-json", "application/json", "json", _TRACES, _jaeger),
        Format("zipkin-json", "application/json", "json", _TRACES, _zipkin),
        Format("chrome", "application/json", "json", _TRACES, _chrome),
        Format("speedscope", "application/json", "speedscope.json", _TRACES, _speedscope),
    )
}


# What addresses may call them too.
SHORT_NAMES = {"otlp": "otlp-json", "jaeger": "jaeger-json", "zipkin": "zipkin-json"}


def chosen(signal: str, form: str) -> tuple[Signal, Format]:
    """The signal and the format by name or short name. Raises `BadQuestion`."""
    form = SHORT_NAMES.get(form, form)
    if signal not in {s.value for s in Signal}:
        raise BadQuestion(f"signal: choose from {', '.join(s.value for s in Signal)}")
    if form not in FORMATS:
        raise BadQuestion(f"format: choose from {', '.join((*SHORT_NAMES, *FORMATS))}")
    if Signal(signal) not in FORMATS[form].signals:
        raise BadQuestion(f"{form} has no {signal}; otlp-json and otlp-protobuf do")
    return Signal(signal), FORMATS[form]


def export(source: Source, signal: Signal, form: Format, query: TraceQuery | None) -> Export:
    """Start an export; what can be refused is refused here, before the first byte."""
    if signal is Signal.METRICS and query is not None:
        raise BadQuestion("metrics are exported whole: filters choose traces")
    chunks = form.chunks(source, signal, query)
    first = next(chunks, b"")
    return Export(form.media_type, f"longpole-{signal.value}.{form.suffix}", _after(first, chunks))


def _after(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
