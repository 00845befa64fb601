"""Rows of a query as JSON values that lose nothing."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa

from longpole.storage.ports import SqlAnswer


def sql_document(answer: SqlAnswer) -> dict[str, Any]:
    """`{"columns": [{"name", "type"}], "rows": [[…]], "is_truncated", "notices"}`."""
    table = answer.rows
    # By position: a query may give two columns the same name.
    columns = [_values(table.column(index)) for index in range(table.num_columns)]
    return {
        "columns": [{"name": f.name, "type": str(f.type)} for f in table.schema],
        "rows": [list(row) for row in zip(*columns, strict=True)] if columns else [],
        "is_truncated": answer.is_truncated,
        "notices": list(answer.notices),
    }


def _values(column: pa.ChunkedArray) -> list[Any]:
    values: list[Any] = column.to_pylist()
    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        return values
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return values
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    """Integers stay integers whatever their size; what JSON lacks becomes text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Decimal):
        # DuckDB's HUGEINT, the type of a sum, arrives as a decimal without a fraction.
        whole = value == value.to_integral_value()
        exponent = value.as_tuple().exponent
        return int(value) if whole and exponent == 0 else str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def encoded(document: Any) -> bytes:
    """A document as compact JSON, integers of any size included."""
    try:
        return orjson.dumps(document)
    except TypeError:  # an integer beyond 64 bits
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode(
            "utf-8", "replace"
        )
