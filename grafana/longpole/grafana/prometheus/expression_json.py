"""The tree of an expression as `parse_query` answers it, and Prometheus' page shows it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from longpole.analyzer.promql.checking import value_type
from longpole.analyzer.promql.expressions import (
    SETS,
    Aggregation,
    Binary,
    Call,
    Expression,
    Matcher,
    MatchOp,
    MatrixSelector,
    Number,
    Paren,
    Shift,
    Subquery,
    Text,
    Unary,
    ValueType,
    VectorSelector,
)
from longpole.analyzer.promql.numbers import written
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql.signatures import SIGNATURES

_TYPES = {ValueType.VECTOR: "vector", ValueType.MATRIX: "matrix"}
_PLAIN = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_CARDINALITIES = {"": "one-to-one", "left": "many-to-one", "right": "one-to-many"}


def tree(node: Expression) -> dict[str, Any]:
    """The document of a node and of those below it, of which a query has a bounded depth."""
    match node:
        case Number():
            return {"type": "numberLiteral", "val": written(node.value)}
        case Text():
            return {"type": "stringLiteral", "val": node.value}
        case Paren():
            return {"type": "parenExpr", "expr": tree(node.inner)}
        case Unary():
            return {"type": "unaryExpr", "op": node.op, "expr": tree(node.inner)}
        case VectorSelector():
            return {"type": "vectorSelector", **_selector(node)}
        case MatrixSelector():
            return {"type": "matrixSelector", "range": node.range_ms, **_selector(node.selector)}
        case Subquery():
            return {"type": "subquery", "expr": tree(node.inner), "range": node.range_ms,
                    "step": node.step_ms or 0, **_shift(node.shift)}  # fmt: skip
        case Aggregation():
            return {
                "type": "aggregation", "op": node.op, "expr": tree(node.inner),
                "param": None if node.parameter is None else tree(node.parameter),
                "grouping": list(node.labels), "without": node.is_without,
            }  # fmt: skip
        case Binary():
            return {"type": "binaryExpr", "op": node.op, "lhs": tree(node.left),
                    "rhs": tree(node.right), "matching": _matching(node),
                    "bool": node.is_bool}  # fmt: skip
        case Call():
            return {"type": "call", "func": _function(node.name),
                    "args": [tree(one) for one in node.arguments]}  # fmt: skip


def _selector(node: VectorSelector) -> dict[str, Any]:
    matchers = list(node.matchers)
    name = ""
    first = matchers[0] if matchers else None
    if (
        first is not None
        and (first.label, first.op) == (NAME, MatchOp.EQUAL)
        and _PLAIN.fullmatch(first.value)
    ):
        # A name that stands before the braces comes last there; others stand in them.
        name = first.value
        matchers = [*matchers[1:], first]
    return {"name": name, "matchers": _matchers(matchers), **_shift(node.shift)}


def _matchers(matchers: Sequence[Matcher]) -> list[dict[str, str]]:
    return [{"name": one.label, "value": one.value, "type": str(one.op)} for one in matchers]


def _shift(shift: Shift) -> dict[str, Any]:
    return {"offset": shift.offset_ms, "timestamp": shift.fixed_ms,
            "startOrEnd": shift.anchor or None}  # fmt: skip


def _matching(node: Binary) -> dict[str, Any] | None:
    """Only vectors are matched."""
    if any(value_type(side) is not ValueType.VECTOR for side in (node.left, node.right)):
        return None
    matching = node.matching
    card = "many-to-many" if node.op in SETS else _CARDINALITIES[matching.group]
    return {"card": card, "labels": list(matching.labels), "on": matching.is_on,
            "include": list(matching.include)}  # fmt: skip


def _function(name: str) -> dict[str, Any]:
    signature = SIGNATURES[name]
    return {
        "name": name,
        "argTypes": [_TYPES.get(one, str(one)) for one in signature.arguments],
        "variadic": -1 if signature.is_variadic else signature.optional,
        "returnType": _TYPES.get(signature.returns, str(signature.returns)),
    }
