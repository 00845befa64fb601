"""Which fields spans have, and which values a field takes: for completion while typing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from longpole.analyzer.traceql.attribute_lists import AttributeLists
from longpole.analyzer.traceql.candidates import alternatives
from longpole.analyzer.traceql.columns import Kind, shown
from longpole.analyzer.traceql.expressions import Attribute, Field, Intrinsic, Pipeline
from longpole.analyzer.traceql.field_parsing import FieldParser
from longpole.analyzer.traceql.fields import INTRINSIC_TYPES, INTRINSICS, KINDS, SERVICE, STATUSES
from longpole.analyzer.traceql.incomplete import EVERY_SPAN
from longpole.analyzer.traceql.loading import expressions_of, load
from longpole.analyzer.traceql.refusals import ParseError
from longpole.analyzer.traceql.spansets import all_spans, run
from longpole.analyzer.traceql.token_stream import TokenStream
from longpole.analyzer.traceql.tokens import TokenKind, tokens_of
from longpole.model.query import TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader

MOST_TRACES = 2_000
SECONDS = 3.0
_CHUNK = 200
_SAMPLE = 50
_SIDES = {"event": "span_events", "link": "span_links", "instrumentation": "scopes"}
_TYPES = {
    Kind.TEXT: "string",
    Kind.INT: "int",
    Kind.FLOAT: "float",
    Kind.BOOL: "bool",
    Kind.STATUS: "keyword",
    Kind.SPAN_KIND: "keyword",
}


def field_named(text: str) -> Field:
    """The field behind a name as a query writes it; a name without a scope is an attribute."""
    try:
        stream = TokenStream(text, tokens_of(text))
        field = FieldParser(stream).field()
        if field is not None and stream.token.kind is TokenKind.END:
            return field
    except ParseError:
        pass
    return Attribute("", text.removeprefix("."))


def tag_names(store: TraceReader, time: TimeRange) -> Mapping[str, Sequence[str]]:
    """The keys of each scope, sorted. Spans and resources from the catalog; events, links and
    instrumentation from the newest traces of that time."""
    found: dict[str, set[str]] = {"resource": set(), "span": set()}
    for scope, key in store.attribute_places():
        if scope in found:
            found[scope].add(key)
    tables = store.trace_tables(_newest(store, EVERY_SPAN, time, _SAMPLE))
    for scope, table in _SIDES.items():
        found[scope] = set(AttributeLists(tables[table]).keys())
    names = [name for name in INTRINSIC_TYPES if name != "parent"]
    return {**{scope: sorted(keys) for scope, keys in found.items()}, "intrinsic": sorted(names)}


def tag_values(
    store: TraceReader,
    field: Field,
    among: Pipeline,
    time: TimeRange,
    limit: int,
    elapsed: Callable[[], float],
) -> list[tuple[str, str]]:
    """Type and text of the values that a field takes on the spans of a pipeline, sorted: those of
    the newest traces of that time, as many as can be looked at in a few seconds. Durations have no
    values to choose from."""
    if isinstance(field, Intrinsic) and field.name in ("status", "kind"):
        names = STATUSES if field.name == "status" else KINDS
        return [("keyword", name) for name in names]
    if isinstance(field, Intrinsic) and INTRINSICS.get(field.name) in ("parent", "duration"):
        return []
    if field == SERVICE and among == EVERY_SPAN:
        names_known = [service.name for service in store.services(time)]
        return [("string", name) for name in names_known[:limit]]
    found: set[tuple[str, str]] = set()
    ids = _newest(store, among, time, MOST_TRACES)
    for begin in range(0, len(ids), _CHUNK):
        if len(found) >= limit or elapsed() > SECONDS:
            break
        needed = (*expressions_of(among.stages), field)
        values = load(store, ids[begin : begin + _CHUNK], needed)
        sets = run(among.stages, all_spans(values), values)
        _, distinct = values.column(field).take(sets.rows).groups()
        found |= {(_TYPES[kind], shown(kind, value)) for kind, value in distinct if kind in _TYPES}
    return sorted(found)[:limit]


def _newest(store: TraceReader, among: Pipeline, time: TimeRange, most: int) -> list[int]:
    ids: dict[int, None] = {}
    for conditions in alternatives(among.stages):
        traces = store.find_traces(TraceQuery(conditions, time, most)).traces
        halves = (traces.column(name).to_pylist() for name in ("trace_hi", "trace_lo"))
        ids.update((hi << 64 | lo, None) for hi, lo in zip(*halves, strict=True))
    return list(ids)[:most]
