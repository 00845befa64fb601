"""The fixed columns of each view, as SQL over the stored columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from longpole.model import columns
from longpole.storage.duckdb.parents import PARENT

_BUCKETS = len(columns.RED_BOUNDS_NS) + 1
_HIDDEN = {"row_id", "trace_hi", "trace_lo", *columns.ATTRIBUTE_COLUMNS}


@dataclass(frozen=True, slots=True)
class ViewShape:
    """One view: the table behind it, its columns as SQL (alias `s` is that table, `sc` its
    scope, `m` its metric series), and how attributes hang on it.

    `scope` is the catalog's scope of its attributes; "" when the catalog does not list them,
    None when it has none. Columns `on_demand` are only made for queries that name them: those of
    the scope, and what takes a look at other rows. `outer` and `tail` wrap the union of the parts
    (the red sums).
    """

    table: str
    columns: Mapping[str, str]
    scope: str | None = None
    scope_columns: frozenset[str] = frozenset()
    on_demand: frozenset[str] = frozenset()
    outer: str = ""
    tail: str = ""


def hex_trace(prefix: str = "s.trace") -> str:
    """SQL for a trace id as 32 hex digits."""
    return f"printf('%016x%016x', {prefix}_hi, {prefix}_lo)"


def hex_id(column: str) -> str:
    """SQL for a 64-bit id as 16 hex digits."""
    return f"printf('%016x', {column})"


def attributes_json(alias: str) -> str:
    """SQL for the attribute lists of a row as one JSON object text, keys grouped by type."""
    pieces = []
    for kind in columns.ATTRIBUTE_TYPES:
        keys, values = f"{alias}.attr_{kind}_keys", f"{alias}.attr_{kind}_vals"
        if kind == "other":
            values = f"CAST({values} AS JSON[])"
        if kind == "dbl":  # JSON has no NaN and no infinity: they become texts, as in OTLP/JSON
            values = (
                f"[CASE WHEN isfinite(v) THEN to_json(v) ELSE to_json(CAST(v AS VARCHAR)) END"
                f" FOR v IN {values}]"
            )
        text = f"CAST(to_json(map({keys}, {values})) AS VARCHAR)"
        pieces.append(f"CASE WHEN len({keys}) > 0 THEN {text}[2:-2] END")
    return f"'{{' || concat_ws(',', {', '.join(pieces)}) || '}}'"


def _plain(schema: pa.Schema, special: Mapping[str, str]) -> dict[str, str]:
    """Every column of a table that a view shows, ids in hex."""
    shown: dict[str, str] = {}
    if "trace_hi" in schema.names:
        shown["trace_id"] = special.get("trace_id", hex_trace())
    for field in schema:
        if field.name in _HIDDEN or field.name in ("linked_trace_hi", "linked_trace_lo"):
            continue
        if field.name in special:
            shown[field.name] = special[field.name]
        elif field.name.endswith("_id") and pa.types.is_uint64(field.type):
            shown[field.name] = hex_id(f"s.{field.name}")
        else:
            shown[field.name] = f's."{field.name}"'
    for name, sql in special.items():
        shown.setdefault(name, sql)
    return shown


def _or_null(column: str, text: str) -> str:
    return f"CASE WHEN {column} <> 0 THEN {text} END"


# End = start + duration, wrapped to 64 bits like the times that a hostile sender gives.
_END = (
    "CAST(CASE WHEN CAST(s.start_unix_nano AS HUGEINT) + s.duration_ns > 9223372036854775807"
    " THEN CAST(s.start_unix_nano AS HUGEINT) + s.duration_ns - 18446744073709551616"
    " WHEN CAST(s.start_unix_nano AS HUGEINT) + s.duration_ns < -9223372036854775808"
    " THEN CAST(s.start_unix_nano AS HUGEINT) + s.duration_ns + 18446744073709551616"
    " ELSE CAST(s.start_unix_nano AS HUGEINT) + s.duration_ns END AS BIGINT)"
)
_SCOPE = {"scope_name": "sc.name", "scope_version": "sc.version"}
_RED_KEYS = ("step_unix_nano", "service", "operation", "kind", "status_code")
_RED_SUMS = ("count", "errors", "duration_sum_ns", "critical_ns")

_SERIES = {
    name: f"m.{name}"
    for name in (
        "name", "description", "unit", "type", "temporality", "is_monotonic", "metadata",
        "service_name", "attributes",
    )
}  # fmt: skip


def _red_totals() -> str:
    sums = [f"CAST(sum({name}) AS BIGINT) AS {name}" for name in _RED_SUMS]
    buckets = ", ".join(f"CAST(sum(bucket_counts[{i + 1}]) AS BIGINT)" for i in range(_BUCKETS))
    return ", ".join([*_RED_KEYS, *sums, f"[{buckets}] AS bucket_counts"])


SHAPES: Mapping[str, ViewShape] = {
    "spans": ViewShape(
        "spans",
        _plain(
            columns.SPANS,
            {
                PARENT: _or_null(f"s.{PARENT}", hex_id(f"s.{PARENT}")),
                "end_unix_nano": _END,
                **_SCOPE,
            },
        ),
        scope="span",
        scope_columns=frozenset(_SCOPE),
        on_demand=frozenset({*_SCOPE, PARENT}),
    ),
    "span_events": ViewShape(
        "span_events",
        _plain(columns.SPAN_EVENTS, {"attributes": attributes_json("s")}),
        scope="",
    ),
    "span_links": ViewShape(
        "span_links",
        _plain(
            columns.SPAN_LINKS,
            {
                "linked_trace_id": hex_trace("s.linked_trace"),
                "attributes": attributes_json("s"),
            },
        ),
        scope="",
    ),
    "logs": ViewShape(
        "logs",
        _plain(
            columns.LOGS,
            {
                "trace_id": f"CASE WHEN s.trace_hi <> 0 OR s.trace_lo <> 0 THEN {hex_trace()} END",
                "span_id": _or_null("s.span_id", hex_id("s.span_id")),
                **_SCOPE,
            },
        ),
        scope="log",
        scope_columns=frozenset(_SCOPE),
        on_demand=frozenset(_SCOPE),
    ),
    "metric_points": ViewShape(
        "metric_points",
        {
            **_SERIES,
            "resource_id": hex_id("m.resource_id"),
            "scope_id": hex_id("m.scope_id"),
            **_plain(columns.METRIC_POINTS, {}),
        },
        scope="",
    ),
    "traces": ViewShape("traces", _plain(columns.TRACES, {})),
    "path_segments": ViewShape(
        "path_segments",
        _plain(columns.PATH_SEGMENTS, {"duration_ns": "s.end_unix_nano - s.start_unix_nano"}),
    ),
    "findings": ViewShape(
        "findings",
        _plain(columns.FINDINGS, {"span_ids": "[printf('%016x', x) FOR x IN s.span_ids]"}),
    ),
    "red": ViewShape(
        "red",
        {name: f's."{name}"' for name in (*_RED_KEYS, *_RED_SUMS, "bucket_counts")},
        outer=_red_totals(),
        tail=f"GROUP BY {', '.join(_RED_KEYS)}",
    ),
}
