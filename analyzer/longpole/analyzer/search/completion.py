"""What can stand at a place of a query: fields, comparisons, and values that really occur."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from longpole.analyzer.search.facets import value_of
from longpole.analyzer.search.query_place import Expects, QueryPlace, field_of, place_at
from longpole.analyzer.search.sample import Sample, sample_of
from longpole.analyzer.traceql import FIELDS, KINDS, STATUSES, field_text, value_text
from longpole.model.query import Field, TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader
from longpole.storage.search_ports import VALUE_FIELDS, SpanKey

MOST_OPTIONS = 30
MOST_VALUES = 1_000
TRACES_LOOKED_AT = 2_000
_TEXT = ("=", "!=", "=~", "!~")
_NUMBER = ("=", "!=", ">", ">=", "<", "<=")
_EQUALITY = ("=", "!=")
_DURATIONS = ("10ms", "50ms", "100ms", "200ms", "500ms", "1s", "2s", "5s", "10s")
_MEANINGS = {
    Field.NAME: "operation of a span",
    Field.KIND: "kind of a span",
    Field.STATUS: "status of a span",
    Field.STATUS_MESSAGE: "what a span says of its error",
    Field.DURATION: "duration of a span",
    Field.SERVICE: "service",
    Field.SPAN_ID: "id of a span",
    Field.TRACE_ID: "id of the trace",
    Field.TRACE_DURATION: "duration of the trace",
    Field.ROOT_NAME: "operation of the root",
    Field.ROOT_SERVICE: "service of the root",
}
# What a person asks for most comes first.
_FIRST = (
    Field.SERVICE, Field.NAME, Field.TRACE_DURATION, Field.STATUS, Field.DURATION, Field.ROOT_NAME,
    Field.ROOT_SERVICE, Field.KIND,
)  # fmt: skip
_BY_TYPE = {"BIGINT": _NUMBER, "DOUBLE": _NUMBER, "BOOLEAN": _EQUALITY, "VARCHAR": _TEXT}


@dataclass(frozen=True, slots=True)
class Option:
    """`text` is what is inserted, `detail` what it means, `count` in how many of the traces
    looked at it occurs."""

    text: str
    detail: str = ""
    count: int | None = None


def completion_report(
    reader: TraceReader, text: str, cursor: int, time: TimeRange | None = None
) -> dict[str, Any]:
    """What may be inserted between `begin` and `end` of a query, best first; what `expects` says
    is expected there. Values are those of the newest `traces_looked_at` traces of that time."""
    place = place_at(text, cursor)
    options: Iterable[Option] = ()
    looked_at = 0
    if place.expects is Expects.FIELD:
        options = _fields(reader, place)
    elif place.expects is Expects.COMPARISON:
        options = [Option(sign) for sign in _comparisons(reader, place)]
    elif place.expects is Expects.VALUE:
        options, looked_at = _values(reader, place, time or TimeRange())
    elif place.expects is Expects.JOIN:
        options = (Option("&&", "and"), Option("}", "done"))
    chosen = _fitting(options, place)
    return {
        "expects": place.expects.value,
        "begin": place.begin,
        "end": place.end,
        "traces_looked_at": looked_at,
        "options": [
            {
                "text": one.text if place.has_brace else f"{{ {one.text}",
                "label": one.text,
                "detail": one.detail,
                "count": one.count,
            }
            for one in chosen
        ],
    }


def _fitting(options: Iterable[Option], place: QueryPlace) -> list[Option]:
    """Those that begin with what is written, then those that hold it, each in their order."""
    written = place.written.casefold().lstrip('"`.')
    if not written:
        return list(options)[:MOST_OPTIONS]
    ranked: tuple[list[Option], list[Option]] = ([], [])
    for option in options:
        own = option.text.casefold().lstrip('"`.')
        if own.startswith(written):
            ranked[0].append(option)
        elif written in own:
            ranked[1].append(option)
    return [*ranked[0], *ranked[1]][:MOST_OPTIONS]


def _fields(reader: TraceReader, place: QueryPlace) -> list[Option]:
    scope = next(
        (one for one in (Field.SPAN_ATTRIBUTE, Field.RESOURCE_ATTRIBUTE)
         if place.written.startswith(one.value)),
        Field.ANY_ATTRIBUTE,
    )  # fmt: skip
    known = [Option(field_text(field), _MEANINGS[field]) for field in _FIRST]
    others = [
        Option(field_text(field), _MEANINGS[field])
        for field in dict.fromkeys(FIELDS.values())
        if field not in _FIRST
    ]
    types = {"BIGINT": "whole number", "DOUBLE": "number", "BOOLEAN": "true or false"}
    keys = [
        Option(field_text(scope, key), f"attribute, {types.get(kind, 'text')}")
        for key, kind in sorted(reader.attribute_keys().items())
        if key and key != "service.name"
    ]
    return [*known, *keys, *others]


def _comparisons(reader: TraceReader, place: QueryPlace) -> tuple[str, ...]:
    found = field_of(place.field)
    if found is None:
        return ()
    field, key = found
    if field in (Field.DURATION, Field.TRACE_DURATION):
        return (">", ">=", "<", "<=", "=", "!=")
    if field in (Field.KIND, Field.STATUS):
        return _EQUALITY
    return _BY_TYPE[reader.attribute_keys().get(key, "VARCHAR")] if key else _TEXT


def _values(reader: TraceReader, place: QueryPlace, time: TimeRange) -> tuple[list[Option], int]:
    found = field_of(place.field)
    if found is None or place.comparison in ("=~", "!~"):
        return [], 0
    field, key = found
    if field in (Field.DURATION, Field.TRACE_DURATION):
        return [Option(text) for text in _DURATIONS], 0
    if field in (Field.KIND, Field.STATUS):
        names: Mapping[str, int] = KINDS if field is Field.KIND else STATUSES
        return [Option(name) for name in sorted(names, key=lambda n: (n != "error", n))], 0
    sample = sample_of(reader, TraceQuery((), time), most=TRACES_LOOKED_AT)
    if field in (Field.ROOT_NAME, Field.ROOT_SERVICE):
        return _of_roots(sample, field), sample.traces.num_rows
    asked = SpanKey(field if field in VALUE_FIELDS else Field.ANY_ATTRIBUTE, key)
    if not key and field not in VALUE_FIELDS:
        return [], 0
    rows = reader.span_values(sample.spans_query, sample.ids(), [asked], MOST_VALUES).values
    options = [
        Option(
            value_text(field, value_of(asked, row["kind"], row["value"])),
            "", row["trace_count"],
        )
        for row in rows.to_pylist()
    ]  # fmt: skip
    return options, sample.traces.num_rows


def _of_roots(sample: Sample, field: Field) -> list[Option]:
    column = "root_operation" if field is Field.ROOT_NAME else "root_service"
    counted = Counter(sample.traces.column(column).to_pylist())
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return [Option(value_text(field, text), "", count) for text, count in ranked]
