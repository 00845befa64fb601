"""Shows the attribute lists of rows as JSON objects, as the SQL views do."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

import pyarrow as pa

from longpole.model.columns import ATTRIBUTE_TYPES


def attributes_json(table: pa.Table) -> list[str]:
    """The attributes of each row as one JSON object text: "other" values as OTLP/JSON,
    doubles that JSON does not have as texts."""
    lists = [
        (kind, table.column(f"attr_{kind}_keys").to_pylist(),
         table.column(f"attr_{kind}_vals").to_pylist())
        for kind in ATTRIBUTE_TYPES
    ]  # fmt: skip
    shown = []
    for row in range(table.num_rows):
        found: dict[str, object] = {}
        for kind, keys, values in lists:
            for key, value in zip(keys[row] or (), values[row] or (), strict=True):
                found[key] = _json_value(kind, value)
        shown.append(json.dumps(found, ensure_ascii=False, separators=(",", ":")))
    return shown


def resources_json(tables: Iterable[pa.Table]) -> dict[int, str]:
    """The attributes of each resource, by its id."""
    shown: dict[int, str] = {}
    for table in tables:
        shown.update(
            zip(table.column("resource_id").to_pylist(), attributes_json(table), strict=True)
        )
    return shown


def _json_value(kind: str, value: object) -> object:
    if kind == "other":
        return json.loads(str(value))
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
