"""Refuses SQL whose single values could grow beyond what DuckDB's limits notice.

DuckDB counts what its operators keep, and looks at an interrupt between blocks of rows. One
call of `range(200000000)`, `repeat('a', 1000000000)` or `hex(hex(hex(...)))` is neither
counted nor interrupted: measured, such a call takes gigabytes and goes on long after the
time limit. So the size of the largest value is estimated before the query runs: a column
counts as `COLUMN` bytes, a constant by its length, and every function by how it makes more
of less. What grows by data alone (`list(...)`) is left to DuckDB's memory limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from longpole.storage.duckdb.read.question import arguments_of, constant_text
from longpole.storage.ports import QueryRefused

# Bytes; an operator handles 2,048 rows at a time, so 256 KiB in each make half a GiB.
LIMIT = 128 << 10  # of one value
TOTAL = 256 << 10  # of all values that are made on the way to one row
COLUMN = 256
NUMBER = 8
COLLECTED = 2 << 10  # a list or text that an aggregate makes of many rows

_SERIES = frozenset({"range", "generate_series"})
# Which argument says how long the result is, and what it is a number of.
_COUNTED = {"repeat": 1, "lpad": 1, "rpad": 1, "list_resize": 1, "array_resize": 1,
            "bitstring": 1, "equi_width_bins": 2, "bar": 3, "reservoir_quantile": 2}  # fmt: skip
_PATTERNS = frozenset({"printf", "format", "strftime"})
_PRODUCTS = frozenset({"replace", "regexp_replace", "array_to_string", "list_string_agg",
                       "array_to_string_comma_default", "list_aggr", "list_aggregate",
                       "array_aggr", "array_aggregate", "aggregate"})  # fmt: skip
# Time and memory are the product of two lengths, the result is a number.
_DISTANCES = frozenset({"levenshtein", "editdist3", "damerau_levenshtein", "jaccard", "hamming",
                        "mismatches", "jaro_similarity", "jaro_winkler_similarity"})  # fmt: skip
_FACTORS = {
    "hex": 2, "to_hex": 2, "base64": 2, "to_base64": 2, "encode": 1, "regexp_escape": 2,
    "bin": 8, "to_binary": 8, "url_encode": 3, "upper": 3, "ucase": 3, "lower": 3, "lcase": 3,
    "nfc_normalize": 3, "to_json": 6, "json_quote": 6, "json_object": 6, "json_array": 6, "json": 6,
    "row_to_json": 6, "array_to_json": 6, "string_split": 16, "str_split": 16, "split": 16,
    "string_to_array": 16, "string_split_regex": 16, "str_split_regex": 16,
    "regexp_split_to_array": 16, "regexp_extract_all": 16, "json_pretty": 64,
    "icu_sort_key": 8, "create_sort_key": 4,
}  # fmt: skip
_COLLECTING = frozenset({"list", "array_agg", "string_agg", "group_concat", "listagg",
                         "histogram", "histogram_exact", "json_group_array", "json_group_object",
                         "json_group_structure", "approx_top_k", "lttb"})  # fmt: skip
_REDUCING = frozenset({"list_reduce", "array_reduce", "reduce"})
_SMALL = frozenset({"count", "count_star", "length", "len", "strlen", "sum", "avg", "abs", "epoch",
                    "row_number", "rank", "dense_rank", "md5", "sha1", "sha256", "hash", "typeof",
                    "array_length", "json_array_length", "date_trunc", "to_timestamp", "make_date",
                    "make_timestamp", "make_timestamp_ns", "contains", "starts_with",
                    "ends_with", "list_contains", "regexp_matches", "regexp_full_match", "median",
                    "round", "floor", "ceil"})  # fmt: skip
# Operators that answer yes or no, however long the list that they look through.
_CLAIMS = frozenset({"COMPARE_IN", "COMPARE_NOT_IN", "OPERATOR_NOT", "OPERATOR_IS_NULL",
                     "OPERATOR_IS_NOT_NULL"})  # fmt: skip
_DIGITS = re.compile(r"\d+")
_ALLOWED = (
    f"one value may have at most {LIMIT >> 10} KiB, and all that are made for one row"
    f" {TOTAL >> 10} KiB: lengths and counts must be small constants, long series come from"
    " FROM range(...), and functions that lengthen texts or lists are not stacked"
)


@dataclass(slots=True)
class _Budget:
    """What all functions of a query make for one row, added up."""

    used: int = 0


@dataclass(frozen=True, slots=True)
class _Scope:
    """What names stand for here: sizes of common tables, of columns by alias, of the rest."""

    tables: Mapping[str, int] = field(default_factory=dict)
    names: Mapping[str, int] = field(default_factory=dict)
    column: int = COLUMN
    budget: _Budget = field(default_factory=_Budget)


def refuse_huge_values(tree: Mapping[str, Any]) -> None:
    """Raises `QueryRefused` when a value of the parsed query could exceed `LIMIT` bytes."""
    try:
        for statement in tree["statements"]:
            _query(statement["node"], _Scope())
    except RecursionError:
        raise QueryRefused("the SQL is nested too deeply") from None


def _query(node: Mapping[str, Any], outer: _Scope) -> int:
    """The largest value in the rows of a query."""
    tables = dict(outer.tables)
    for entry in (node.get("cte_map") or {}).get("map", ()):
        value = entry["value"]
        inner = value.get("query_node") or value["query"]["node"]
        tables[entry["key"].lower()] = _query(
            inner, replace(outer, tables=tables, names={}, column=COLUMN)
        )
    scope = replace(outer, tables=tables)
    match node["type"]:
        case "SELECT_NODE":
            largest = _select(node, scope)
        case "RECURSIVE_CTE_NODE":
            # From one round to the next everything passes through DuckDB's counted memory.
            tables[str(node.get("cte_name", "")).lower()] = _query(node["left"], scope)
            largest = _query(node["right"], replace(outer, tables=tables))
        case _:
            sides = node.get("children") or [node.get("left"), node.get("right")]
            largest = max([_query(side, scope) for side in sides if side], default=COLUMN)
    _every(node.get("modifiers"), replace(scope, column=max(largest, outer.column)))
    return largest


def _select(node: Mapping[str, Any], scope: _Scope) -> int:
    source = max(_from(node.get("from_table"), scope), NUMBER)
    # A column of an outer query may be named too.
    column = max(source, scope.column) if scope.names else source
    names = dict(scope.names)
    largest = NUMBER
    for item in node["select_list"]:
        size = _expression(item, replace(scope, names=names, column=column))
        largest = max(largest, size)
        if item.get("alias"):
            # A later column may use the alias; a column of that name may be meant as well.
            names[item["alias"].lower()] = max(size, column)
    inner = replace(scope, names=names, column=column)
    for key in ("where_clause", "group_expressions", "having", "qualify"):
        _every(node.get(key), inner)
    return largest


def _from(node: Any, scope: _Scope) -> int:
    """The largest value in the rows of a FROM clause."""
    match node and node.get("type"):
        case None | "EMPTY":
            return NUMBER
        case "BASE_TABLE":
            return scope.tables.get(str(node["table_name"]).lower(), COLUMN)
        case "SUBQUERY":
            return _query(node["subquery"]["node"], scope)
        case "TABLE_FUNCTION":
            arguments = arguments_of(node["function"])
            return max([NUMBER, *(_expression(one, scope) for one in arguments)])
        case "JOIN":
            largest = _from(node["left"], scope)
            beside = replace(scope, column=max(largest, scope.column))
            largest = max(largest, _from(node["right"], beside))
            _every(node.get("condition"), replace(scope, column=largest))
            return largest
        case _:
            return max(_every(node, scope), COLUMN)


def _every(node: Any, scope: _Scope) -> int:
    """Looks at everything below a node; the sum of the sizes."""
    if isinstance(node, list):
        return sum(_every(child, scope) for child in node)
    if not isinstance(node, dict):
        return 0
    if str(node.get("type", "")).endswith("_NODE"):
        return _query(node, scope)
    if node.get("class"):
        return _expression(node, scope)
    if node.get("type") in ("BASE_TABLE", "SUBQUERY", "TABLE_FUNCTION", "JOIN"):
        return _from(node, scope)
    return sum(_every(child, scope) for child in node.values())


def _expression(node: Mapping[str, Any], scope: _Scope) -> int:
    size = _size(node, scope)
    if node.get("class") not in ("CONSTANT", "COLUMN_REF", "STAR"):
        scope.budget.used += size
    if size > LIMIT or scope.budget.used > TOTAL:
        name = str(node.get("function_name") or "")
        raise QueryRefused(f"{name}(): {_ALLOWED}" if name.isidentifier() else _ALLOWED)
    return size


def _size(node: Mapping[str, Any], scope: _Scope) -> int:
    match node.get("class"):
        case "CONSTANT":
            text = constant_text(node)
            return NUMBER if text is None else len(text.encode())
        case "COLUMN_REF":
            return scope.names.get(str(node["column_names"][-1]).lower(), scope.column)
        case "STAR":
            return max(scope.column, _every(node.get("replace_list"), scope))
        case "COMPARISON" | "CONJUNCTION" | "BETWEEN":
            _every(list(node.values()), scope)
            return NUMBER
        case "OPERATOR" if str(node["type"]) in _CLAIMS:
            _every(node.get("children"), scope)
            return NUMBER
        case "SUBQUERY":
            _every(node.get("child"), scope)
            return _query(node["subquery"]["node"], scope)
        case "CAST":
            # A byte of a BLOB becomes four characters, as does a short element of a list.
            size = _expression(node["child"], scope)
            return size if node["child"].get("class") == "CONSTANT" else size * _cast_factor(node)
        case "FUNCTION":
            return _function(node, scope)
        case "WINDOW":
            size = _every(list(node.values()), scope)
            collects = str(node["function_name"]).lower() in _COLLECTING
            return max(COLLECTED, size) if collects else size
        case _:
            return _every(list(node.values()), scope)


def _cast_factor(node: Mapping[str, Any]) -> int:
    kind = node.get("type_expr") or node.get("cast_type") or {}
    name = str(kind.get("type_name") or (kind.get("type_info") or {}).get("name") or kind.get("id"))
    return 4 if name.upper() in ("VARCHAR", "TEXT", "STRING", "JSON", "LIST", "BLOB") else 1


def _function(node: Mapping[str, Any], scope: _Scope) -> int:
    name = str(node["function_name"]).lower()
    arguments = arguments_of(dict(node))
    if any(one.get("class") == "LAMBDA" for one in arguments):
        return _with_lambda(name, arguments, scope)
    sizes = [_expression(one, scope) for one in arguments]
    _every([node.get("filter"), node.get("order_bys")], scope)
    if name in _SERIES:
        return _series(name, arguments)
    if name in _COUNTED:
        return _counted(name, arguments, sizes)
    if name in _PATTERNS:
        return _pattern(name, arguments, sizes)
    if name in _PRODUCTS and len(sizes) > 1:
        return _product(name, arguments, sizes)
    if name in _DISTANCES:
        _refuse_beyond(name, sizes[0] * max(sizes[1:], default=1))
        return NUMBER
    if name in _COLLECTING:
        return max(COLLECTED, sum(sizes))
    if name in _SMALL:
        return 64
    return max(NUMBER, sum(sizes) * _FACTORS.get(name, 1))


def _with_lambda(name: str, arguments: Sequence[Any], scope: _Scope) -> int:
    if name in _REDUCING:
        raise QueryRefused(f"{name}() is not available here: take list_sum, list_max and the like")
    total = 0
    for one in arguments:
        if one.get("class") != "LAMBDA":
            total += _expression(one, scope)
    for one in arguments:
        if one.get("class") == "LAMBDA":
            # The elements together are as long as the list: what the body makes of one
            # byte, it makes of each.
            names = {**scope.names, **dict.fromkeys(_parameters(one), 1)}
            body = _expression(one["expr"], replace(scope, names=names))
            elements = max(1, total // NUMBER)
            total = total if "filter" in name else max(total, elements * body)
    return total


def _parameters(node: Mapping[str, Any]) -> list[str]:
    waiting, found = [node["lhs"]], []
    while waiting:
        current = waiting.pop()
        if isinstance(current, list):
            waiting.extend(current)
        elif isinstance(current, dict):
            found += [str(name).lower() for name in current.get("column_names", ())]
            waiting.extend(current.values())
    return found


def _series(name: str, arguments: Sequence[Any]) -> int:
    numbers = [_whole_number(one) for one in arguments]
    if not numbers or None in numbers:
        raise QueryRefused(f"{name}() with anything but constant numbers: {_ALLOWED}")
    bounds = [number for number in numbers if number is not None]
    start, stop, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds[:2], *bounds[2:], 1)[:3]
    return NUMBER * (abs(stop - start) // max(1, abs(step)) + 1)


def _counted(name: str, arguments: Sequence[Any], sizes: Sequence[int]) -> int:
    position = _COUNTED[name]
    if len(arguments) <= position:
        return max(sum(sizes), COLUMN)
    count = _whole_number(arguments[position])
    if count is None:
        raise QueryRefused(f"{name}() with a length that is no constant: {_ALLOWED}")
    unit = NUMBER if name in ("equi_width_bins", "bar", "bitstring", "reservoir_quantile") else 1
    if name == "repeat":
        unit = sizes[0]
    elif name in ("lpad", "rpad"):
        unit = 4
    elif name.endswith("resize"):
        unit = NUMBER + (sizes[2] if len(sizes) > 2 else 0)
    return sizes[0] + max(0, count) * unit


def _pattern(name: str, arguments: Sequence[Any], sizes: Sequence[int]) -> int:
    """A text whose placeholders may name an argument many times, or a width."""
    position = 1 if name == "strftime" and constant_text(arguments[0]) is None else 0
    pattern = constant_text(arguments[position]) if arguments else None
    if pattern is None or "*" in pattern or re.search(r"\{[^}]*\{[^}]*\}", pattern):
        raise QueryRefused(f"{name}() takes a constant pattern with constant widths here")
    widths = sum(int(digits) for digits in _DIGITS.findall(pattern))
    places = pattern.count("%") + pattern.count("{")
    each = 64 if name == "strftime" else max([NUMBER, *sizes[1:]])
    return len(pattern) + widths + places * each


def _product(name: str, arguments: Sequence[Any], sizes: Sequence[int]) -> int:
    """Each piece that is found or stands between two elements has the length of an argument."""
    if name in ("replace", "regexp_replace") and len(sizes) > 2:
        pieces = sizes[0]
        if name == "replace":
            pieces //= max(1, len(constant_text(arguments[1]) or ""))
        inserted = sizes[2]
        if name == "regexp_replace" and "\\" in (constant_text(arguments[2]) or "\\"):
            inserted *= max(1, sizes[0])  # \0 stands for all that was found
            pieces = 1
        return sizes[0] + max(1, pieces) * inserted
    elements = max(1, sizes[0] // NUMBER)
    return sizes[0] + elements * max(sizes[1:])


def _refuse_beyond(name: str, size: int) -> None:
    if size > LIMIT:
        raise QueryRefused(f"{name}() compares short texts only here; {_ALLOWED}")


def _whole_number(node: Any) -> int | None:
    """The value of an integer constant, with its sign; None for anything else."""
    if node.get("class") == "FUNCTION" and node.get("function_name") == "-":
        inner = arguments_of(node)
        number = _whole_number(inner[0]) if len(inner) == 1 else None
        return None if number is None else -number
    if node.get("class") != "CONSTANT":
        return None
    literal = node.get("literal")
    if isinstance(literal, dict):  # DuckDB 2
        try:
            return int(literal["text"]) if literal.get("kind") == "INTEGER" else None
        except ValueError:
            return None  # written in another base, or with underscores that Python refuses
    value = (node.get("value") or {}).get("value")  # DuckDB 1
    return value if isinstance(value, int) and not isinstance(value, bool) else None
