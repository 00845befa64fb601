"""Which traces can match at all, asked of storage with the conditions that it can answer itself.

What is asked for is never narrower than the query: what storage cannot say is left out, and every
candidate is looked at span by span afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

from longpole.analyzer.traceql.expressions import (
    Attribute,
    Binary,
    Field,
    FieldExpression,
    Intrinsic,
    Logical,
    Pipeline,
    Spanset,
    SpansetFilter,
    SpansetOperation,
    Stage,
    Static,
    Type,
)
from longpole.analyzer.traceql.fields import SERVICE
from longpole.model import query as model
from longpole.model.query import Comparison, Condition

Alternative = tuple[Condition, ...]
MOST_ALTERNATIVES = 8
EVERYTHING: tuple[Alternative, ...] = ((),)
_ATTRIBUTES = {
    "": model.Field.ANY_ATTRIBUTE,
    "span": model.Field.SPAN_ATTRIBUTE,
    "resource": model.Field.RESOURCE_ATTRIBUTE,
}
_INTRINSICS = {
    "name": model.Field.NAME,
    "status": model.Field.STATUS,
    "statusMessage": model.Field.STATUS_MESSAGE,
    "kind": model.Field.KIND,
    "duration": model.Field.DURATION,
    "span:id": model.Field.SPAN_ID,
    "trace:id": model.Field.TRACE_ID,
}
_SWAPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_TRUE = Static(Type.BOOL, True)


def alternatives(stages: Sequence[Stage]) -> tuple[Alternative, ...]:
    """Every trace that the stages can leave has a span that meets one of these sets of conditions.
    None at all: nothing can be left."""
    if stages and isinstance(stages[0], SpansetFilter | SpansetOperation | Pipeline):
        return _of_spanset(stages[0])
    return EVERYTHING


def _of_spanset(spanset: Spanset) -> tuple[Alternative, ...]:
    match spanset:
        case SpansetFilter(condition):
            return _of_condition(condition)
        case Pipeline(stages):
            return alternatives(stages)
        case SpansetOperation(operator, left, right):
            if operator.startswith("!"):
                return _of_spanset(right)
            mine, others = _of_spanset(left), _of_spanset(right)
            if operator == "||":
                return _bounded((*mine, *others))
            return min(mine, others, key=_breadth)


def _of_condition(condition: FieldExpression) -> tuple[Alternative, ...]:
    match condition:
        case Static(value=False):
            return ()
        case Logical("&&", operands):
            found = EVERYTHING
            for operand in operands:
                more = _of_condition(operand)
                joined = tuple((*one, *other) for one in found for other in more)
                # Leaving an operand out makes the question wider, which is allowed.
                found = joined if len(joined) <= MOST_ALTERNATIVES else found
            return found
        case Logical(_, operands):
            return _bounded(
                tuple(alternative for one in operands for alternative in _of_condition(one))
            )
        case Attribute(_, _, False) as field:
            return _one(_condition("=", field, _TRUE))
        case Binary(operator, (Attribute() | Intrinsic()) as field, Static() as static):
            return _one(_condition(operator, field, static))
        case Binary(operator, Static() as static, (Attribute() | Intrinsic()) as field):
            if operator not in ("=~", "!~"):
                return _one(_condition(_SWAPPED.get(operator, operator), field, static))
    return EVERYTHING


def _condition(operator: str, field: Field, static: Static) -> Condition | None:
    """The same comparison as storage understands it; None when it does not."""
    if static.value is None or operator not in list(Comparison) or field.is_parent:
        return None
    comparison = Comparison(operator)
    if isinstance(field, Intrinsic):
        place = _INTRINSICS.get(field.name)
        return Condition(place, comparison, static.value) if place else None
    if static.type in (Type.STATUS, Type.KIND):
        return None
    if field == SERVICE:
        return Condition(model.Field.SERVICE, comparison, static.value)
    place = _ATTRIBUTES.get(field.scope)
    return Condition(place, comparison, static.value, field.key) if place else None


def _one(condition: Condition | None) -> tuple[Alternative, ...]:
    return EVERYTHING if condition is None else ((condition,),)


def _bounded(found: tuple[Alternative, ...]) -> tuple[Alternative, ...]:
    distinct = tuple(dict.fromkeys(found))
    return EVERYTHING if () in distinct or len(distinct) > MOST_ALTERNATIVES else distinct


def _breadth(found: tuple[Alternative, ...]) -> tuple[bool, int]:
    """What sorts narrow questions before wide ones."""
    return () in found, len(found)
