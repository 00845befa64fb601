"""The names that a span has without attributes, their types, and how queries write them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from longpole.analyzer.traceql.expressions import (
    Aggregate,
    Attribute,
    Binary,
    FieldExpression,
    Intrinsic,
    Logical,
    Static,
    Type,
    Unary,
)
from longpole.model.span import SpanKind, StatusCode

# Every intrinsic by the one name it has in expressions, with its type.
INTRINSIC_TYPES: Mapping[str, Type] = {
    "duration": Type.DURATION,
    "name": Type.STRING,
    "status": Type.STATUS,
    "statusMessage": Type.STRING,
    "kind": Type.KIND,
    "childCount": Type.INT,
    "parent": Type.NIL,
    "rootName": Type.STRING,
    "rootServiceName": Type.STRING,
    "traceDuration": Type.DURATION,
    "nestedSetLeft": Type.INT,
    "nestedSetRight": Type.INT,
    "nestedSetParent": Type.INT,
    "trace:id": Type.STRING,
    "span:id": Type.STRING,
    "span:parentID": Type.STRING,
    "event:name": Type.STRING,
    "event:timeSinceStart": Type.DURATION,
    "link:traceID": Type.STRING,
    "link:spanID": Type.STRING,
    "instrumentation:name": Type.STRING,
    "instrumentation:version": Type.STRING,
}
# The scoped spellings of those that also have one without a scope.
SCOPED_NAMES: Mapping[str, str] = {
    "span:duration": "duration",
    "span:name": "name",
    "span:status": "status",
    "span:statusMessage": "statusMessage",
    "span:kind": "kind",
    "span:childCount": "childCount",
    "trace:duration": "traceDuration",
    "trace:rootName": "rootName",
    "trace:rootService": "rootServiceName",
}
INTRINSICS = {**{name: name for name in INTRINSIC_TYPES}, **SCOPED_NAMES}
STATUSES = {status.name.lower(): int(status) for status in StatusCode}
KINDS = {kind.name.lower(): int(kind) for kind in SpanKind}
STATUS_NAMES = {number: name for name, number in STATUSES.items()}
KIND_NAMES = {number: name for name, number in KINDS.items()}
SERVICE = Attribute("resource", "service.name")

_PLAIN_KEY = re.compile(r'[^\s{}()=~!<>&|^,"]+')


def field_name(field: Attribute | Intrinsic) -> str:
    """How a query writes a field; also the label of a group by it."""
    before = "parent." if field.is_parent else ""
    if isinstance(field, Intrinsic):
        return before + field.name
    key = field.key if _PLAIN_KEY.fullmatch(field.key) else _quoted(field.key)
    return f"{before}{field.scope}.{key}" if not before or field.scope else f"{before}{key}"


def static_text(static: Static) -> str:
    """How a query writes a constant."""
    value = static.value
    match static.type:
        case Type.NIL:
            return "nil"
        case Type.STRING:
            return "`" + str(value) + "`" if "`" not in str(value) else _quoted(str(value))
        case Type.BOOL:
            return "true" if value else "false"
        case Type.DURATION:
            return f"{value}ns"
        case Type.STATUS:
            return STATUS_NAMES.get(int(value or 0), str(value))
        case Type.KIND:
            return KIND_NAMES.get(int(value or 0), str(value))
    return str(value)


def expression_text(expression: FieldExpression) -> str:
    """How a query writes an expression; depth is bounded by the parser."""
    match expression:
        case Static():
            return static_text(expression)
        case Attribute() | Intrinsic():
            return field_name(expression)
        case Unary(operator, operand):
            return f"{operator}{_nested(operand)}"
        case Binary(operator, left, right):
            return f"{_nested(left)} {operator} {_nested(right)}"
        case Logical(operator, operands):
            return f" {operator} ".join(_nested(operand) for operand in operands)


def aggregate_text(aggregate: Aggregate) -> str:
    """How a query writes `avg(duration)`."""
    inner = "" if aggregate.operand is None else expression_text(aggregate.operand)
    return f"{aggregate.name}({inner})"


def fields_of(expression: FieldExpression) -> list[Attribute | Intrinsic]:
    """Every field that an expression looks at, in the order of its text, each once."""
    found: dict[Attribute | Intrinsic, None] = {}
    waiting: list[FieldExpression] = [expression]
    while waiting:
        match waiting.pop():
            case Attribute() | Intrinsic() as field:
                found[field] = None
            case Unary(_, operand):
                waiting.append(operand)
            case Binary(_, left, right):
                waiting += (right, left)
            case Logical(_, operands):
                waiting += reversed(operands)
    return list(found)


def _nested(expression: FieldExpression) -> str:
    text = expression_text(expression)
    return f"({text})" if isinstance(expression, Binary | Logical) else text


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
