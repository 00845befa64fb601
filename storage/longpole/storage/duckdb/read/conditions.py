"""Turns the conditions of a trace query into SQL with bound parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence

from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.duckdb.read.attributes import Types, has_key, value_of
from longpole.storage.duckdb.read.part import Part
from longpole.storage.duckdb.read.view_columns import hex_id, hex_trace

_MATCHES = (Comparison.MATCH, Comparison.NOT_MATCH)
_SPAN_ID = re.compile(r"[0-9a-f]{16}")
_INT64 = 1 << 63
_INTRINSICS = {
    Field.NAME: ("s.name", "text"),
    Field.KIND: ("s.kind", "number"),
    Field.STATUS: ("s.status_code", "number"),
    Field.STATUS_MESSAGE: ("s.status_message", "text"),
    Field.DURATION: ("s.duration_ns", "number"),
    Field.SERVICE: ("s.service_name", "text"),
}
_TRACE_COLUMNS = {
    Field.TRACE_ID: (hex_trace("trace"), "text"),
    Field.TRACE_DURATION: ("duration_ns", "number"),
    Field.ROOT_NAME: ("root_operation", "text"),
    Field.ROOT_SERVICE: ("root_service", "text"),
}


def span_filter(part: Part, query: TraceQuery, types: Types, parameters: list[object]) -> str:
    """SQL for "this span (alias `s`) meets every span condition and starts in time"; what it
    compares with is appended to `parameters`."""
    checks = [_time_filter(query.time, parameters)]
    checks += [_span_check(part, c, types, parameters) for c in query.span_conditions]
    return " AND ".join(checks)


def trace_filter(conditions: Sequence[Condition], parameters: list[object]) -> str:
    """SQL for "this row of trace columns meets every trace condition"."""
    checks = []
    for condition in conditions:
        column, kind = _TRACE_COLUMNS[condition.field]
        checks.append(_compare(column, kind, _lower(condition), parameters))
    return " AND ".join(checks) or "true"


def _time_filter(time: TimeRange, parameters: list[object]) -> str:
    if time.is_unbounded:
        return "true"
    parameters += [time.start_unix_nano, time.end_unix_nano]
    return "s.start_unix_nano >= ? AND s.start_unix_nano < ?"


def _span_check(part: Part, condition: Condition, types: Types, parameters: list[object]) -> str:
    if condition.field is Field.SPAN_ID:
        return _span_id_check(_lower(condition), parameters)
    if condition.field in _INTRINSICS:
        column, kind = _INTRINSICS[condition.field]
        return _compare(column, kind, condition, parameters)
    is_own = condition.field is not Field.RESOURCE_ATTRIBUTE and ("span", condition.key) in types
    is_resource = (
        condition.field is not Field.SPAN_ATTRIBUTE and ("resource", condition.key) in types
    )
    if is_own and not is_resource:
        return _attribute(part, "spans", "s", condition, parameters)
    if is_resource and not is_own:
        return _of_resource(part, condition, parameters)
    if not is_own:
        return "false"
    # The span's own value, of whatever type, hides that of its resource.
    own = _attribute(part, "spans", "s", condition, parameters)
    has = has_key(part, "spans", "s", condition.key)
    return f"({own} OR (NOT {has} AND {_of_resource(part, condition, parameters)}))"


def _of_resource(part: Part, condition: Condition, parameters: list[object]) -> str:
    check = _attribute(part, "resources", "r", condition, parameters)
    relation = part.relation("resources")
    return f"s.resource_id IN (SELECT r.resource_id FROM {relation} r WHERE {check})"


def _attribute(
    part: Part, table: str, alias: str, condition: Condition, parameters: list[object]
) -> str:
    """SQL for a comparison with an attribute of one record; false where it is absent."""
    value = condition.value
    if isinstance(value, bool):
        kinds = {"bool": "bool"}
    elif isinstance(value, int | float):
        kinds = {"int": "number", "dbl": "number"}
    else:
        kinds = {"str": "text"}
    checks = []
    for kind, family in kinds.items():
        sql = value_of(part, table, alias, condition.key, kind)
        check = _compare(sql, family, condition, parameters)
        checks.append(f"({check} AND NOT isnan({sql}))" if kind == "dbl" else check)
    return f"coalesce({' OR '.join(checks)}, false)"


def _compare(sql: str, kind: str, condition: Condition, parameters: list[object]) -> str:
    """SQL for one comparison; false when the value is of another type than the column."""
    value = condition.value
    if isinstance(value, bool):
        value_kind = "bool"
    else:
        value_kind = "number" if isinstance(value, int | float) else "text"
    if kind != value_kind or (condition.comparison in _MATCHES and kind != "text"):
        return "false"
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        value = float(value)
    parameters.append(value)
    if condition.comparison in _MATCHES:
        matches = f"regexp_full_match({sql}, ?)"
        return matches if condition.comparison is Comparison.MATCH else f"(NOT {matches})"
    sign = "<>" if condition.comparison is Comparison.NE else condition.comparison.value
    return f"({sql} {sign} ?)"


def _span_id_check(condition: Condition, parameters: list[object]) -> str:
    value = condition.value
    if condition.comparison is Comparison.EQ and isinstance(value, str):
        if not _SPAN_ID.fullmatch(value):
            return "false"
        parameters.append(int(value, 16))
        return "s.span_id = ?"
    return _compare(hex_id("s.span_id"), "text", condition, parameters)


def _lower(condition: Condition) -> Condition:
    """Ids compare in lower case, however they were pasted."""
    is_id = condition.field in (Field.SPAN_ID, Field.TRACE_ID)
    if not is_id or condition.comparison in _MATCHES or not isinstance(condition.value, str):
        return condition
    lowered = condition.value.lower()
    return Condition(condition.field, condition.comparison, lowered, condition.key)
