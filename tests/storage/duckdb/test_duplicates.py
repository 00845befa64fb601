from __future__ import annotations

import math

import duckdb
import pyarrow as pa
import pytest

from longpole.model import columns
from longpole.storage.duckdb.duplicates import without_duplicates


def span(row_id: int, **fields: object) -> dict[str, object]:
    blank: dict[str, object] = {
        name: [] if name.startswith("attr_") else "" if pa.types.is_string(kind) else 0
        for name, kind in zip(columns.SPANS.names, columns.SPANS.types, strict=True)
    }
    return {**blank, "row_id": row_id, "trace_lo": 1, "span_id": 7, **fields}


def event(row_id: int, name: str) -> dict[str, object]:
    lists: dict[str, object] = {column: [] for column in columns.ATTRIBUTE_COLUMNS}
    return {"row_id": row_id, "trace_lo": 1, "span_id": 7, "name": name, **lists}


def kept(spans: list[dict[str, object]], events: list[dict[str, object]]) -> list[int]:
    tables = {
        "spans": pa.Table.from_pylist(spans, schema=columns.SPANS),
        "span_events": pa.Table.from_pylist(events, schema=columns.SPAN_EVENTS),
        "span_links": columns.SPAN_LINKS.empty_table(),
    }
    with duckdb.connect(":memory:") as connection:
        left, dropped = without_duplicates(tables, connection)
    rows: list[int] = left["spans"].column("row_id").to_pylist()
    assert dropped == len(spans) - len(rows)
    assert set(left["span_events"].column("row_id").to_pylist()) <= set(rows)
    return rows


def test_the_first_of_equal_spans_stays() -> None:
    assert kept([span(30), span(10), span(20)], []) == [10]


@pytest.mark.parametrize("field", ["name", "duration_ns", "resource_id", "trace_state", "kind"])
def test_a_span_that_differs_in_any_field_is_no_duplicate(field: str) -> None:
    value: object = "x" if pa.types.is_string(columns.SPANS.field(field).type) else 5
    assert kept([span(1), span(2, **{field: value})], []) == [1, 2]


def test_the_order_of_attributes_means_nothing_and_nan_equals_nan() -> None:
    one = span(1, attr_dbl_keys=["a", "b"], attr_dbl_vals=[1.0, math.nan])
    other = span(2, attr_dbl_keys=["b", "a"], attr_dbl_vals=[math.nan, 1.0])
    changed = span(3, attr_dbl_keys=["b", "a"], attr_dbl_vals=[math.nan, 2.0])
    typed = span(4, attr_int_keys=["a"], attr_int_vals=[1], attr_dbl_keys=["b"],
                 attr_dbl_vals=[math.nan])  # fmt: skip
    assert kept([one, other, changed, typed], []) == [1, 3, 4]


def test_events_have_to_be_equal_in_order_too() -> None:
    spans = [span(1), span(2), span(3), span(4)]
    events = [
        event(1, "a"), event(1, "b"), event(2, "a"), event(2, "b"), event(3, "b"), event(3, "a"),
    ]  # fmt: skip
    assert kept(spans, events) == [1, 3, 4]
