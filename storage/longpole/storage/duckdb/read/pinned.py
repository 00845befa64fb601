"""Finds the trace ids that a query asks for by name, so that Bloom filters can answer it."""

from __future__ import annotations

import re
from typing import Any

from longpole.model.ids import InvalidId, parse_trace_id
from longpole.storage.duckdb.read.question import Question, constant_text, dicts, set_constant_text
from longpole.storage.duckdb.read.view_columns import SHAPES

MAX_PINNED = 1000
_ID_NAMES = ("trace_id", "span_id")
_HEX_ID = re.compile(r"[0-9A-Fa-f]{16}|[0-9A-Fa-f]{32}")


def pinned_traces(question: Question) -> dict[str, frozenset[int]]:
    """Views of which only rows of these traces can matter.

    Only the plain case counts: a view that the query uses once, alone in the FROM of a SELECT
    whose WHERE demands `trace_id = '...'` or `trace_id IN ('...', ...)`.
    """
    pins: dict[str, frozenset[int]] = {}
    waiting: list[Any] = [question.tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        if not isinstance(node, dict):
            continue
        waiting.extend(node.values())
        table = node.get("from_table")
        if node.get("type") != "SELECT_NODE" or not isinstance(table, dict):
            continue
        name = str(table.get("table_name", "")).lower()
        if table.get("type") == "BASE_TABLE" and _is_pinnable(name, question):
            alias = str(table.get("alias") or name).lower()
            wanted = _demanded(node.get("where_clause"), alias)
            if wanted is not None:
                pins[name] = wanted
    return pins


def _is_pinnable(name: str, question: Question) -> bool:
    return question.table_uses.count(name) == 1 and "trace_id" in SHAPES[name].columns


def _demanded(where: Any, alias: str) -> frozenset[int] | None:
    """The trace ids to which a condition limits the rows of `alias`; None when to none."""
    if not isinstance(where, dict):
        return None
    if where.get("type") == "CONJUNCTION_AND":
        found = [ids for child in where["children"] if (ids := _demanded(child, alias)) is not None]
        return frozenset.intersection(*found) if found else None
    if where.get("type") == "COMPARE_EQUAL":
        sides = [where["left"], where["right"]]
        if _is_trace_id(sides[1], alias):
            sides.reverse()
        return _ids([sides[1]]) if _is_trace_id(sides[0], alias) else None
    if where.get("type") == "COMPARE_IN" and _is_trace_id(where["children"][0], alias):
        return _ids(where["children"][1:])
    return None


def _is_trace_id(node: Any, alias: str) -> bool:
    names = node.get("column_names") if isinstance(node, dict) else None
    path = [str(name).lower() for name in names or ()]
    return path in (["trace_id"], [alias, "trace_id"])


def _ids(nodes: list[Any]) -> frozenset[int] | None:
    texts = [constant_text(node) for node in nodes]
    if len(texts) > MAX_PINNED or any(text is None for text in texts):
        return None
    found = set()
    for text in texts:
        try:
            found.add(parse_trace_id(text or ""))
        except InvalidId:
            continue  # equals no trace id of ours
    return frozenset(found)


def lower_ids(question: Question) -> bool:
    """Writes the ids that the query compares with an id column in lower case, as the views
    show them; whether there was one to change."""
    is_changed = False
    for node in dicts(question.tree):
        match node.get("type"):
            case "COMPARE_EQUAL" | "COMPARE_NOTEQUAL":
                operands = [node["left"], node["right"]]
            case "COMPARE_IN" | "COMPARE_NOT_IN":
                operands = node["children"]
            case _:
                continue
        if any(_is_id_column(operand) for operand in operands):
            for operand in operands:
                text = constant_text(operand) or ""
                if _HEX_ID.fullmatch(text) and text != text.lower():
                    set_constant_text(operand, text.lower())
                    is_changed = True
    return is_changed


def _is_id_column(node: Any) -> bool:
    names = (node.get("column_names") if isinstance(node, dict) else None) or [""]
    return str(names[-1]).lower().endswith(_ID_NAMES)
