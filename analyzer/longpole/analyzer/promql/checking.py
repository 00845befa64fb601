"""Types of an expression: every argument and operand is what its place takes."""

from __future__ import annotations

from longpole.analyzer.promql.expressions import (
    ARITHMETIC,
    COMPARISONS,
    SETS,
    Aggregation,
    Binary,
    Call,
    Expression,
    Matching,
    MatrixSelector,
    Number,
    Paren,
    Subquery,
    Text,
    Unary,
    ValueType,
    unwrapped,
)
from longpole.analyzer.promql.refusals import QueryError
from longpole.analyzer.promql.signatures import SIGNATURES


def value_type(expression: Expression) -> ValueType:
    """What an expression yields."""
    found = unwrapped(expression)
    while isinstance(found, Unary):
        found = unwrapped(found.inner)
    if isinstance(found, Number):
        return ValueType.SCALAR
    if isinstance(found, Text):
        return ValueType.STRING
    if isinstance(found, MatrixSelector | Subquery):
        return ValueType.MATRIX
    if isinstance(found, Call):
        return SIGNATURES[found.name].returns
    if isinstance(found, Binary):
        sides = (value_type(found.left), value_type(found.right))
        return ValueType.SCALAR if sides == (ValueType.SCALAR,) * 2 else ValueType.VECTOR
    return ValueType.VECTOR


def checked(expression: Expression, text: str) -> Expression:
    """The same expression. Raises `QueryError` at the first operand of the wrong type."""
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        inner = children(node)
        if isinstance(node, Unary):
            _expect(node.inner, (ValueType.SCALAR, ValueType.VECTOR), text,
                    "unary expression only allowed on expressions of type scalar or instant"
                    " vector")  # fmt: skip
        elif isinstance(node, Binary):
            _check_binary(node, text)
        elif isinstance(node, Aggregation):
            _check_aggregation(node, text)
        elif isinstance(node, Call):
            _check_call(node, text)
        elif isinstance(node, Subquery):
            _expect(node.inner, (ValueType.VECTOR,), text,
                    "subquery is only allowed on instant vector")  # fmt: skip
        waiting.extend(reversed(inner))
    return expression


def children(node: Expression) -> tuple[Expression, ...]:
    """The expressions directly inside of one; selectors have none."""
    if isinstance(node, Paren | Unary | Subquery):
        return (node.inner,)
    if isinstance(node, Binary):
        return (node.left, node.right)
    if isinstance(node, Aggregation):
        return (node.inner,) if node.parameter is None else (node.parameter, node.inner)
    return node.arguments if isinstance(node, Call) else ()


def _expect(node: Expression, types: tuple[ValueType, ...], text: str, message: str) -> ValueType:
    found = value_type(node)
    if found not in types:
        raise QueryError(f"{message}, got {found}", text, node.at[0])
    return found


def _check_binary(node: Binary, text: str) -> None:
    assert node.op in ARITHMETIC | COMPARISONS | SETS
    allowed = (ValueType.SCALAR, ValueType.VECTOR)
    message = "binary expression must contain only scalar and instant vector types"
    sides = [_expect(side, allowed, text, message) for side in (node.left, node.right)]
    are_scalar = [side is ValueType.SCALAR for side in sides]
    if node.op in SETS and any(are_scalar):
        raise QueryError(
            f"set operator {node.op!r} not allowed in binary scalar expression", text, node.at[0]
        )
    if all(are_scalar) and node.op in COMPARISONS and not node.is_bool:
        raise QueryError("comparisons between scalars must use BOOL modifier", text, node.at[0])
    if any(are_scalar) and node.matching != Matching():
        raise QueryError("vector matching only allowed between instant vectors", text, node.at[0])


def _check_aggregation(node: Aggregation, text: str) -> None:
    where = f"in aggregation expression {node.op!r}"
    _expect(node.inner, (ValueType.VECTOR,), text, f"expected type instant vector {where}")
    if node.parameter is not None:
        wanted = ValueType.STRING if node.op == "count_values" else ValueType.SCALAR
        _expect(node.parameter, (wanted,), text, f"expected type {wanted} {where}")


def _check_call(node: Call, text: str) -> None:
    signature = SIGNATURES[node.name]
    count = len(node.arguments)
    if count < signature.least or (signature.most is not None and count > signature.most):
        exactly = signature.least == signature.most
        bound = "" if exactly else "at least " if count < signature.least else "at most "
        wanted = signature.least if count < signature.least else signature.most
        raise QueryError(
            f"expected {bound}{wanted} argument(s) in call to {node.name!r}, got {count}",
            text,
            node.at[0],
        )
    for index, argument in enumerate(node.arguments):
        wanted_type = signature.type_of(index)
        _expect(argument, (wanted_type,), text,
                f"expected type {wanted_type} in call to function {node.name!r}")  # fmt: skip
