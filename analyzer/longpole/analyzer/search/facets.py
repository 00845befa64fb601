"""Facets: what the matching traces have in common, each value with a count and a narrower query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from longpole.analyzer.search.sample import Sample
from longpole.analyzer.traceql import KINDS, STATUSES, format_query
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.span import StatusCode
from longpole.storage.ports import TraceReader
from longpole.storage.search_ports import SpanKey

MOST_VALUES = 8
MOST_ATTRIBUTES = 7
# The attributes that tell most about a trace, in this order, where they occur.
ATTRIBUTES = (
    "http.route", "http.response.status_code", "http.status_code", "service.version", "host.name",
    "http.request.method", "db.system.name", "db.system", "messaging.destination.name",
    "rpc.method", "error.type", "exception.type", "deployment.environment.name",
    "k8s.pod.name", "cloud.availability_zone",
)  # fmt: skip
_ERROR = str(int(StatusCode.ERROR))
_MS = 1_000_000
_CLASSES = (
    ("under 10 ms", None, 10 * _MS),
    ("10 to 100 ms", 10 * _MS, 100 * _MS),
    ("100 ms to 1 s", 100 * _MS, 1000 * _MS),
    ("1 to 10 s", 1000 * _MS, 10_000 * _MS),
    ("over 10 s", 10_000 * _MS, None),
)


def facets_of(reader: TraceReader, sample: Sample) -> dict[str, Any]:
    """Facets over the traces of a sample.

    `facets`: each `name`, `title` and `options` of `label`, `count` of traces, `q` (the query that
    a click leads to) and whether it `is_active` (then `q` is without it). Values are counted over
    spans that meet every condition at once, as the narrower query would. `is_cut`: counts are
    lower bounds.
    """
    known = reader.attribute_keys()
    attributes = [key for key in ATTRIBUTES if key in known][:MOST_ATTRIBUTES]
    keys = [SpanKey(Field.SERVICE), SpanKey(Field.STATUS)]
    keys += [SpanKey(Field.ANY_ATTRIBUTE, key) for key in attributes]
    found = reader.span_values(sample.spans_query, sample.ids(), keys, MOST_VALUES)
    rows: list[list[Mapping[str, Any]]] = [[] for _ in keys]
    for row in found.values.to_pylist():
        rows[row["place"]].append(row)
    facets = [
        _facet("service", "Service", sample.query, [_option(keys[0], row) for row in rows[0]]),
        _facet("root", "Root operation", sample.query, _roots(sample)),
        _facet(
            "status", "Status", sample.query,
            [_option(keys[1], row) for row in rows[1] if row["value"] == _ERROR],
        ),
        _facet("duration", "Duration", sample.query, _classes(sample)),
    ]  # fmt: skip
    facets += [
        _facet(key.key, key.key, sample.query, [_option(key, row) for row in of_key])
        for key, of_key in zip(keys[2:], rows[2:], strict=True)
    ]
    return {"facets": [one for one in facets if one["options"]], "is_cut": found.is_cut}


_Option = tuple[str, int, tuple[Condition, ...]]


def _facet(name: str, title: str, query: TraceQuery, options: Sequence[_Option]) -> dict[str, Any]:
    return {"name": name, "title": title, "options": [_shown(query, *one) for one in options]}


def _shown(
    query: TraceQuery, label: str, count: int, conditions: tuple[Condition, ...]
) -> dict[str, Any]:
    is_active = all(condition in query.conditions for condition in conditions)
    kept = tuple(c for c in query.conditions if c not in conditions)
    narrowed = kept if is_active else (*kept, *conditions)
    return {
        "label": label,
        "count": count,
        "q": format_query(replace(query, conditions=narrowed)) if narrowed else "",
        "is_active": is_active,
    }


def value_of(key: SpanKey, kind: str, text: str) -> str | int | float | bool:
    """A value of `SPAN_VALUES` as a condition compares with it."""
    if kind == "number":
        try:
            return int(text)
        except ValueError:
            return float(text)
    return text == "true" if kind == "bool" else text


def label_of(key: SpanKey, kind: str, text: str) -> str:
    """The same for a reader: kinds and statuses by name."""
    names = {Field.KIND: KINDS, Field.STATUS: STATUSES}.get(key.field, {})
    return next((name for name, number in names.items() if str(number) == text), text)


def _option(key: SpanKey, row: Mapping[str, Any]) -> _Option:
    value = value_of(key, row["kind"], row["value"])
    condition = Condition(key.field, Comparison.EQ, value, key.key)
    return label_of(key, row["kind"], row["value"]), row["trace_count"], (condition,)


def _roots(sample: Sample) -> list[_Option]:
    counted = sample.traces.group_by(["root_service", "root_operation"]).aggregate(
        [([], "count_all")]
    )
    rows = sorted(
        counted.to_pylist(),
        key=lambda row: (-row["count_all"], row["root_service"], row["root_operation"]),
    )
    return [
        (
            f"{row['root_service']} · {row['root_operation']}",
            row["count_all"],
            (
                Condition(Field.ROOT_SERVICE, Comparison.EQ, row["root_service"]),
                Condition(Field.ROOT_NAME, Comparison.EQ, row["root_operation"]),
            ),
        )
        for row in rows[:MOST_VALUES]
    ]


def _classes(sample: Sample) -> list[_Option]:
    durations = sample.numbers("duration_ns")
    options: list[_Option] = []
    for label, least, most in _CLASSES:
        inside = np.ones(durations.size, np.bool_)
        conditions = []
        if least is not None:
            inside &= durations >= least
            conditions.append(Condition(Field.TRACE_DURATION, Comparison.GE, least))
        if most is not None:
            inside &= durations < most
            conditions.append(Condition(Field.TRACE_DURATION, Comparison.LT, most))
        if count := int(inside.sum()):
            options.append((label, count, tuple(conditions)))
    return options
