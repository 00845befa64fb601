"""Compares telemetry by content: in any order of groups, NaN equal to NaN."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from longpole.model.telemetry import Telemetry


def rows(table: pa.Table) -> list[str]:
    """Every row as text, which says NaN and -0.0 and tells 1 from 1.0."""
    return [repr(row) for row in table.to_pylist()]


def contents(tables: Mapping[str, pa.Table]) -> dict[str, Counter[str]]:
    """Every table as a bag of rows whose row ids are replaced by what they point at."""
    owners: dict[int, str] = {}
    if "spans" in tables:
        for row in tables["spans"].to_pylist():
            row_id = row.pop("row_id")  # before the row is told: numbers follow the order of groups
            owners[row_id] = repr(_sorted_attributes(row))
    bags = {}
    for name, table in tables.items():
        bag: Counter[str] = Counter()
        for row in table.to_pylist():
            row_id = row.pop("row_id", None)
            owner = owners.get(row_id, "") if name.startswith("span_") else ""
            bag[owner + repr(_sorted_attributes(row))] += 1
        bags[name] = bag
    return bags


def _sorted_attributes(row: dict[str, Any]) -> dict[str, Any]:
    for name in [name for name in row if name.startswith("attr_") and name.endswith("_keys")]:
        vals = name.removesuffix("keys") + "vals"
        pairs = sorted(zip(row.pop(name), row.pop(vals), strict=True), key=lambda p: p[0])
        row[name] = pairs
    return row


def identical(left: Mapping[str, pa.Table], right: Mapping[str, pa.Table]) -> bool:
    """Same rows in the same order, schema included."""
    return left.keys() == right.keys() and all(
        left[name].schema.equals(right[name].schema) and rows(left[name]) == rows(right[name])
        for name in left
    )


def check_body(telemetry: Telemetry, again: Telemetry) -> None:
    """What decoding a body again must give: the same rows and nothing to complain about."""
    assert identical(telemetry.tables, again.tables)
    assert again.rejected == 0
    assert again.problems == ()
    assert again.body == telemetry.body
    assert again.has_time == telemetry.has_time
