"""Rows of a query as CSV that a spreadsheet will not run as formulas (V20)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

# What spreadsheets take for the beginning of a formula, full-width twins included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def csv_text(document: Mapping[str, Any]) -> str:
    """RFC 4180 with a header; text cells that look like formulas get an apostrophe in front,
    numbers stay as they are."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_cell(column["name"]) for column in document["columns"]])
    for row in document["rows"]:
        writer.writerow([_cell(value) for value in row])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        return "'" + value if value.startswith(_FORMULA) else value
    return value
