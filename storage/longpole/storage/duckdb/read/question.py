"""Reads a parsed query: which views it asks, which columns it names, what it must not do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from longpole.storage.ports import QueryRefused

VIEWS = (
    "spans",
    "span_events",
    "span_links",
    "logs",
    "metric_points",
    "traces",
    "path_segments",
    "findings",
    "red",
)
MAX_TEXT = 100_000
MAX_DEPTH = 100
_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
_BRACKETS = re.compile(r"[()\[\]{}]")
ATTR_COLUMN = "longpole_attr_"
# Everything else reaches for files, settings or the catalog.
_TABLE_FUNCTIONS = frozenset(
    {"unnest", "range", "generate_series", "json_each", "json_tree", "generate_subscripts"}
)
# How the columns are called that those functions give.
_COLUMNS_OF_FUNCTIONS = _TABLE_FUNCTIONS | {
    "key", "value", "type", "atom", "id", "parent", "fullkey", "path", "json", "rowid",
}  # fmt: skip
_FORBIDDEN_FUNCTIONS = frozenset(
    {
        "current_setting", "getenv", "getvariable", "which_secret", "write_log", "nextval",
        "currval", "in_search_path", "current_schemas", "txid_current",
        "json_execute_serialized_sql", "json_serialize_sql", "json_deserialize_sql",
        "json_serialize_plan", "parse_duckdb_log_message", "sleep", "sleep_ms",
    }
)  # fmt: skip
_CATALOG_PREFIXES = ("duckdb_", "pragma_", "pg_", "sqlite_", "longpole_", "seg_", "information_")


_OTHER_STATEMENTS = (
    "only a SELECT can be run here, or EXPLAIN and a SELECT: the views are read-only. EXPLAIN"
    " ANALYZE would run the query outside the limits of an answer; PIVOT needs its columns named,"
    " as in PIVOT spans ON kind IN (2, 3) USING count(*)"
)


@dataclass(slots=True)
class Question:
    """What one SELECT names.

    `tables` maps what a column may be qualified with (the alias, else the name) to a view.
    `names` are the columns: (qualifier or "", name). `attrs` are the arguments of `attr()`:
    (qualifier or "", key). `inner_names` are names that the query itself introduces.
    """

    tree: dict[str, Any]
    tables: dict[str, str] = field(default_factory=dict)
    table_uses: list[str] = field(default_factory=list)
    names: dict[tuple[str, str], None] = field(default_factory=dict)
    attrs: dict[tuple[str, str], None] = field(default_factory=dict)
    inner_names: set[str] = field(default_factory=set)
    has_star: bool = False

    @property
    def views(self) -> tuple[str, ...]:
        """The views in the order in which they appear, each once."""
        return tuple(dict.fromkeys(self.table_uses))


def refuse_monstrous(text: str) -> None:
    """Raises `QueryRefused` for a text that the parser would chew on for seconds, during
    which nothing can stop it: DuckDB 2.0 takes 16 s to refuse 5,000 open brackets."""
    if len(text) > MAX_TEXT:
        raise QueryRefused(f"the SQL is longer than {MAX_TEXT} characters")
    if "\0" in text:
        raise QueryRefused("the SQL holds a NUL byte")
    depth = 0
    for bracket in _BRACKETS.findall(_QUOTED.sub("", text)):
        depth += 1 if bracket in "([{" else -1
        if depth > MAX_DEPTH:
            raise QueryRefused(f"the SQL nests brackets deeper than {MAX_DEPTH}")


def read_question(serialized: str) -> Question:
    """The question in the JSON of `json_serialize_sql`. Raises `QueryRefused`."""
    try:
        tree = json.loads(serialized)
    except RecursionError:
        raise QueryRefused("the SQL is nested too deeply") from None
    if tree.get("error"):
        if tree.get("error_type") == "not implemented":
            raise QueryRefused(_OTHER_STATEMENTS)
        raise QueryRefused(f"the SQL does not parse: {tree.get('error_message')}")
    statements = tree["statements"]
    if len(statements) != 1:
        raise QueryRefused(f"one SELECT is expected, not {len(statements)} statements")
    question = Question(tree)
    ctes = set(_ctes(tree))
    for name in ctes:
        if name.lower().startswith(_CATALOG_PREFIXES):
            raise QueryRefused(f"WITH cannot define {name!r}: that prefix is reserved")
    question.inner_names |= {name.lower() for name in ctes}
    _walk(statements[0]["node"], question, {name.lower() for name in ctes})
    return question


def constant_text(node: object) -> str | None:
    """The text of a string constant; None for anything else."""
    if not isinstance(node, dict) or node.get("class") != "CONSTANT":
        return None
    literal = node.get("literal")
    if isinstance(literal, dict):  # DuckDB 2
        return literal["text"] if literal.get("kind") == "STRING" else None
    value = node.get("value")
    if isinstance(value, dict) and value.get("type", {}).get("id") == "VARCHAR":  # DuckDB 1
        return None if value.get("is_null") else str(value.get("value"))
    return None


def set_constant_text(node: dict[str, Any], text: str) -> None:
    """Give a string constant another text."""
    if "literal" in node:
        node["literal"]["text"] = text
    else:
        node["value"]["value"] = text


def arguments_of(node: dict[str, Any]) -> list[Any]:
    """The argument expressions of a function call."""
    if "arguments" in node:  # DuckDB 2
        return [argument.get("expression") for argument in node["arguments"]]
    return list(node.get("children", ()))


def _ctes(node: object) -> Iterator[str]:
    for child in dicts(node):
        for entry in (child.get("cte_map") or {}).get("map", ()):
            yield entry["key"]


def dicts(node: object) -> Iterator[dict[str, Any]]:
    """Every object of a JSON tree, without recursion."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            yield current
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)


def _walk(root: dict[str, Any], question: Question, ctes: set[str]) -> None:
    for node in dicts(root):
        if node.get("alias"):
            question.inner_names.add(str(node["alias"]).lower())
        question.inner_names |= {str(n).lower() for n in node.get("column_name_alias") or ()}
        match node.get("type"):
            case "BASE_TABLE":
                _take_table(node, question, ctes)
            case "TABLE_FUNCTION":
                _check_table_function(node)
                question.inner_names |= _COLUMNS_OF_FUNCTIONS
            case "SHOW_REF":
                _check_show(node)
                question.has_star = True
            case "STAR":
                question.has_star = True
            case "COLUMN_REF":
                path = [str(name) for name in node["column_names"]]
                question.names[(path[-2] if len(path) > 1 else "", path[-1])] = None
            case "FUNCTION":
                _take_function(node, question)
            case "LAMBDA":
                for name in dicts(node.get("lhs")):
                    question.inner_names |= {n.lower() for n in name.get("column_names", ())}


def _take_table(node: dict[str, Any], question: Question, ctes: set[str]) -> None:
    name = str(node["table_name"])
    path = (node.get("qualified_name") or {}).get("path", [name])
    is_qualified = bool(node.get("schema_name") or node.get("catalog_name") or len(path) > 1)
    alias = str(node.get("alias") or name).lower()
    question.inner_names.add(alias)
    if not is_qualified and name.lower() in ctes and name.lower() not in VIEWS:
        return  # a WITH that is called like a view may be about that view
    if is_qualified or name.lower() not in VIEWS:
        shown = ".".join(path) if is_qualified else name
        raise QueryRefused(f"there is no table {shown!r}: the views are {', '.join(VIEWS)}")
    question.tables[alias] = name.lower()
    question.table_uses.append(name.lower())


def _check_table_function(node: dict[str, Any]) -> None:
    name = str(node["function"]["function_name"])
    if name.lower() not in _TABLE_FUNCTIONS:
        allowed = ", ".join(sorted(_TABLE_FUNCTIONS))
        raise QueryRefused(
            f"{name}() is not available here: of the table functions only {allowed} are"
        )


def _check_show(node: dict[str, Any]) -> None:
    if node.get("query") is None and node.get("show_type") != "DESCRIBE":
        raise QueryRefused(f"SHOW TABLES answers with the views: {', '.join(VIEWS)}")


def _take_function(node: dict[str, Any], question: Question) -> None:
    name = str(node["function_name"]).lower()
    if name in _FORBIDDEN_FUNCTIONS or name.startswith(("duckdb_", "pg_", "pragma_")):
        raise QueryRefused(f"{name}() is not available here")
    if name != "attr":
        return
    question.attrs[_attr_parts(node)] = None


def _attr_parts(node: dict[str, Any]) -> tuple[str, str]:
    """(qualifier or "", key) of `attr('k')`, `attr(s, 'k')` and `s.attr('k')`."""
    arguments = arguments_of(node)
    path = (node.get("qualified_name") or {}).get("path") or [node.get("schema", ""), ""]
    qualifier = str(path[-2]) if len(path) > 1 else ""
    if not qualifier and len(arguments) == 2 and arguments[0].get("type") == "COLUMN_REF":
        qualifier = str(arguments.pop(0)["column_names"][-1])
    key = constant_text(arguments[0]) if len(arguments) == 1 else None
    if key is None:
        raise QueryRefused("attr() takes one constant text, as in attr('http.route')")
    return qualifier, key


def replace_attr_calls(question: Question, columns: dict[tuple[str, str], str]) -> None:
    """Turns every `attr()` call of the query into a column of `columns`."""
    for node in dicts(question.tree):
        for item in node.get("select_list") or ():
            if isinstance(item, dict) and _is_attr(item) and not item.get("alias"):
                item["alias"] = f"attr({constant_text(arguments_of(item)[-1])!r})"
    for node in dicts(question.tree):
        if _is_attr(node):
            qualifier, key = _attr_parts(node)
            column = columns[qualifier, key]
            kept = {"alias": node["alias"], "query_location": node.get("query_location", 0)}
            node.clear()
            node.update({"class": "COLUMN_REF", "type": "COLUMN_REF", **kept})
            node["column_names"] = [qualifier, column] if qualifier else [column]


def _is_attr(node: dict[str, Any]) -> bool:
    return node.get("type") == "FUNCTION" and str(node.get("function_name")).lower() == "attr"
