"""Refuses queries that parse and make no sense: types that do not fit, constants for spans."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from longpole.analyzer.traceql.expressions import (
    Aggregate,
    Attribute,
    Binary,
    Compare,
    FieldExpression,
    GroupBy,
    Intrinsic,
    Logical,
    Measured,
    Metrics,
    MetricsOperation,
    Pipeline,
    Query,
    Scalar,
    ScalarFilter,
    ScalarOperation,
    ScalarPipeline,
    SpansetFilter,
    SpansetOperation,
    Stage,
    Static,
    Type,
    Unary,
)
from longpole.analyzer.traceql.fields import (
    INTRINSIC_TYPES,
    aggregate_text,
    expression_text,
    fields_of,
)
from longpole.analyzer.traceql.refusals import InvalidQuery

NUMBERS = (Type.INT, Type.FLOAT, Type.DURATION)
_EQUALITY = ("=", "!=")
_ORDER = ("<", "<=", ">", ">=")
_REGEXES = ("=~", "!~")


def check(query: Query) -> None:
    """Raises `InvalidQuery`."""
    match query.root:
        case Pipeline(stages):
            _check_stages(stages)
        case root:
            _check_metrics(root)


def type_of(expression: FieldExpression) -> Type:
    """The type of a value as far as the text tells."""
    match expression:
        case Static(type=static_type):
            return static_type
        case Intrinsic(name):
            return INTRINSIC_TYPES[name]
        case Attribute():
            return Type.UNKNOWN
        case Unary(operator, operand):
            return Type.BOOL if operator == "!" else type_of(operand)
        case Logical():
            return Type.BOOL
        case Binary(operator, left, right):
            if operator in (*_EQUALITY, *_ORDER, *_REGEXES):
                return Type.BOOL
            found = type_of(left)
            return type_of(right) if found is Type.UNKNOWN else found


def regex_of(pattern: str) -> str:
    """The RE2 expression for a match of the whole text; a dot matches line ends too. Raises
    `InvalidQuery` when it does not compile."""
    whole = rf"(?s)\A(?:{pattern})\z"
    try:
        for expression in (pattern, whole):
            pc.match_substring_regex(pa.array([""], pa.string()), expression)
    except pa.ArrowInvalid as error:
        raise InvalidQuery(f"invalid regular expression {pattern[:60]!r}: {error}") from None
    return whole


def _check_stages(stages: tuple[Stage, ...]) -> None:
    for stage in stages:
        match stage:
            case SpansetFilter():
                _check_filter(stage)
            case SpansetOperation(_, left, right):
                _check_stages((left, right))
            case Pipeline(inner):
                _check_stages(inner)
            case ScalarFilter():
                _check_scalar_filter(stage)
            case GroupBy(expression):
                _check_expression(expression)
                if not fields_of(expression):
                    raise InvalidQuery(
                        "grouping field expressions must reference the span: "
                        f"by({expression_text(expression)})"
                    )


def _check_filter(stage: SpansetFilter) -> None:
    _check_expression(stage.condition)
    if type_of(stage.condition) not in (Type.BOOL, Type.UNKNOWN):
        raise InvalidQuery(
            "span filter field expressions must resolve to a boolean: "
            f"{{ {expression_text(stage.condition)} }}"
        )


def _check_scalar_filter(stage: ScalarFilter) -> None:
    left, right = _scalar_type(stage.left), _scalar_type(stage.right)
    for found in (left, right):
        if found not in (*NUMBERS, Type.UNKNOWN):
            raise InvalidQuery(f"scalar filters compare numbers, and {found} is none")
    if isinstance(stage.left, Static) and isinstance(stage.right, Static):
        raise InvalidQuery("scalar filters must look at the spans: use count(), avg(...) …")


def _scalar_type(scalar: Scalar) -> Type:
    match scalar:
        case Static(type=found):
            return found
        case Aggregate("count", _):
            return Type.INT
        case Aggregate():
            return _check_aggregate(scalar)
        case ScalarPipeline(stages, aggregate):
            _check_stages(stages)
            return _scalar_type(aggregate)
        case ScalarOperation(operator, left, right):
            types = (_scalar_type(left), _scalar_type(right))
            if any(found not in (*NUMBERS, Type.UNKNOWN) for found in types):
                raise InvalidQuery(f"illegal operation for the given types: {operator}")
            return types[0]


def _check_aggregate(aggregate: Aggregate) -> Type:
    assert aggregate.operand is not None
    _check_expression(aggregate.operand)
    found = type_of(aggregate.operand)
    if found not in (*NUMBERS, Type.UNKNOWN):
        raise InvalidQuery(
            "aggregate field expressions must resolve to a number type: "
            f"{aggregate_text(aggregate)}"
        )
    if not fields_of(aggregate.operand):
        raise InvalidQuery(
            f"aggregate field expressions must reference the span: {aggregate_text(aggregate)}"
        )
    return found


def _check_metrics(metrics: Metrics) -> None:
    match metrics:
        case MetricsOperation(_, left, right):
            _check_metrics(left)
            _check_metrics(right)
        case Static(type=found):
            if found not in NUMBERS:
                raise InvalidQuery(f"metrics are joined with numbers, and {found} is none")
        case Measured(pipeline, function, _):
            _check_stages(pipeline.stages)
            if isinstance(function, Compare):
                _check_compare(function)
            elif function.field is not None:
                found = type_of(function.field)
                if found not in (*NUMBERS, Type.UNKNOWN):
                    raise InvalidQuery(
                        f"{function.function} needs a number: {expression_text(function.field)}"
                    )


def _check_compare(compare: Compare) -> None:
    _check_filter(compare.selection)
    if compare.top <= 0:
        raise InvalidQuery("compare() top number of values must be integer greater than 0")
    if compare.start_unix_nano or compare.end_unix_nano:
        if compare.start_unix_nano <= 0 or compare.end_unix_nano <= 0:
            raise InvalidQuery("compare() timestamps must be positive integer unix nanoseconds")
        if compare.end_unix_nano <= compare.start_unix_nano:
            raise InvalidQuery("compare() end timestamp must be greater than start timestamp")


def _check_expression(expression: FieldExpression) -> None:
    match expression:
        case Unary(operator, operand):
            _check_expression(operand)
            allowed = (*NUMBERS, Type.UNKNOWN) if operator == "-" else (Type.BOOL, Type.UNKNOWN)
            if type_of(operand) not in allowed:
                raise InvalidQuery(
                    f"illegal operation for the given type: {expression_text(expression)}"
                )
        case Logical(_, operands):
            for operand in operands:
                _check_expression(operand)
                if type_of(operand) not in (Type.BOOL, Type.UNKNOWN):
                    raise InvalidQuery(
                        f"illegal operation for the given types: {expression_text(expression)}"
                    )
        case Binary():
            _check_binary(expression)


def _check_binary(expression: Binary) -> None:
    _check_expression(expression.left)
    _check_expression(expression.right)
    operator = expression.operator
    left, right = type_of(expression.left), type_of(expression.right)
    if not _fit(left, right):
        raise InvalidQuery(
            f"binary operations must operate on the same type: {expression_text(expression)}"
        )
    known = {left, right} - {Type.UNKNOWN}
    if operator in _EQUALITY:
        return
    if operator in _REGEXES:
        pattern = expression.right
        if known <= {Type.STRING} and isinstance(pattern, Static):
            regex_of(str(pattern.value))
            return
    elif operator in _ORDER:
        if known <= {*NUMBERS, Type.STRING}:
            return
    elif known <= set(NUMBERS):
        return
    raise InvalidQuery(f"illegal operation for the given types: {expression_text(expression)}")


def _fit(left: Type, right: Type) -> bool:
    if Type.UNKNOWN in (left, right) or left is right or Type.NIL in (left, right):
        return True
    return left in NUMBERS and right in NUMBERS
