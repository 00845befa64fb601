"""The value of a field expression on every span of a frame, all spans at once.

An expression about events or links is looked at for each of them: a span satisfies a comparison if
any of its events does. `{ event.a = 1 && event.b = 2 }` may be met by two of them, as in Tempo.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow as pa

from longpole.analyzer.traceql import columns
from longpole.analyzer.traceql.attribute_lists import AttributeLists
from longpole.analyzer.traceql.columns import Column, Kind, Mask, Rows
from longpole.analyzer.traceql.comparing import calculated, compared, matched
from longpole.analyzer.traceql.expressions import (
    Attribute,
    Binary,
    Field,
    FieldExpression,
    Intrinsic,
    Logical,
    Static,
    Type,
    Unary,
)
from longpole.analyzer.traceql.fields import SERVICE, fields_of
from longpole.analyzer.traceql.frame import SpanFrame
from longpole.analyzer.traceql.intrinsics import IntrinsicValues
from longpole.analyzer.traceql.refusals import TraceQLError
from longpole.analyzer.traceql.side_rows import SideRows

_COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
_REGEXES = ("=~", "!~")
_SIDES = ("event", "link")


class FieldValues:
    """Values over one frame; each field is worked out once."""

    def __init__(self, frame: SpanFrame) -> None:
        self.frame = frame
        self.intrinsics = IntrinsicValues(frame)
        self._fields: dict[Field, Column] = {}
        self._lists: dict[str, AttributeLists] = {}

    def mask(self, condition: FieldExpression) -> Mask:
        """The spans on which a condition is true."""
        match condition:
            case Static(type=Type.BOOL, value=value):
                return np.full(len(self.frame), bool(value))
            case Logical(operator, operands):
                result = self.mask(operands[0])
                for operand in operands[1:]:
                    other = self.mask(operand)
                    result = result & other if operator == "&&" else result | other
                return result
            case Unary("!", operand):
                return self._negated(operand)
            case Binary(operator) if operator in (*_COMPARISONS, *_REGEXES):
                return self._comparison(condition)
        return self.column(condition).is_true

    def column(self, expression: FieldExpression) -> Column:
        """The value of each span; of events and links that of the first one that has any."""
        side = _side_of(expression)
        if side is not None and not isinstance(expression, Logical):
            rows = self._side(side)
            return rows.first(self._over(expression, side), len(self.frame))
        return self._over(expression, None)

    def _negated(self, operand: FieldExpression) -> Mask:
        if isinstance(operand, Attribute | Intrinsic):
            # An attribute that is absent, or no boolean, is neither true nor false.
            column = self.column(operand)
            return np.asarray((column.kinds == Kind.BOOL) & (column.ints == 0))
        return ~self.mask(operand)

    def _comparison(self, comparison: Binary) -> Mask:
        side = _side_of(comparison)
        if side is None:
            return self._compared(comparison, None)
        rows = self._side(side)
        if comparison.operator == "=" and _is_nil(comparison):
            there = Binary("!=", comparison.left, comparison.right)
            return ~rows.any(self._compared(there, side), len(self.frame))
        return rows.any(self._compared(comparison, side), len(self.frame))

    def _compared(self, comparison: Binary, side: str | None) -> Mask:
        operator, left, right = comparison.operator, comparison.left, comparison.right
        if operator in _REGEXES:
            assert isinstance(right, Static)
            return matched(operator, self._over(left, side), str(right.value))
        if _is_nil(comparison):
            field = right if isinstance(left, Static) else left
            is_nil = self._over(field, side).kinds == Kind.NIL
            return np.asarray(is_nil if operator == "=" else ~is_nil)
        return compared(operator, self._over(left, side), self._over(right, side))

    def _over(self, expression: FieldExpression, side: str | None) -> Column:
        """The value in each row of the spans, or of a side table."""
        match expression:
            case Static():
                rows = len(self.frame) if side is None else len(self._side(side).owners)
                return columns.constant(expression, rows)
            case Attribute() | Intrinsic() as field:
                return self._field(field, side)
            case Unary("-", operand):
                zero = Static(Type.INT, 0)
                return calculated("-", self._over(zero, side), self._over(operand, side))
            case Binary("/", Static(Type.INT, int(a)), Static(Type.INT, int(b))) if b:
                quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
                return self._over(Static(Type.INT, quotient), side)
            case Binary(operator, left, right) if operator not in (*_COMPARISONS, *_REGEXES):
                return calculated(operator, self._over(left, side), self._over(right, side))
        mask = self.mask(expression)
        return columns.truth(mask if side is None else mask[self._side(side).owners])

    def _field(self, field: Field, side: str | None) -> Column:
        own = _side_of(field)
        if own is None:
            column = self._span_field(field)
            return column if side is None else column.take(self._side(side).owners)
        if own != side:
            raise TraceQLError("one comparison looks at events or at links, not at both")
        return self._side_field(field, own)

    def _span_field(self, field: Field) -> Column:
        if field not in self._fields:
            if field.is_parent:
                plain = (
                    Attribute(field.scope, field.key)
                    if isinstance(field, Attribute)
                    else Intrinsic(field.name)
                )
                parents = self.intrinsics.structure.parents
                self._fields[field] = self._span_field(plain).take(parents)
            elif isinstance(field, Attribute):
                self._fields[field] = self._attribute(field)
            elif field.name.startswith("instrumentation:"):
                name = field.name.partition(":")[2]
                texts = columns.texts(self._table("scopes").column(name))
                self._fields[field] = texts.take(self._scope_rows)
            else:
                self._fields[field] = self.intrinsics.column(field.name)
        return self._fields[field]

    def _attribute(self, field: Attribute) -> Column:
        if field == SERVICE:
            return self.frame.services
        match field.scope:
            case "span":
                return self.lists("spans").column(field.key)
            case "resource":
                return self.lists("resources").column(field.key).take(self.resource_rows)
            case "instrumentation":
                return self.lists("scopes").column(field.key).take(self._scope_rows)
        own = self.lists("spans").column(field.key)
        return own.or_else(self._span_field(Attribute("resource", field.key)))

    def _side_field(self, field: Field, side: str) -> Column:
        table = f"span_{side}s"
        if isinstance(field, Attribute):
            return self.lists(table).column(field.key)
        return self._side(side).intrinsic(self._table(table), field.name, self.frame)

    def lists(self, table: str) -> AttributeLists:
        """The attributes of one table of the frame."""
        if table not in self._lists:
            self._lists[table] = AttributeLists(self._table(table))
        return self._lists[table]

    @cached_property
    def resource_rows(self) -> Rows:
        """The row of `resources` of each span, -1 where it is not there."""
        return self._rows_of("resources", "resource_id")

    @cached_property
    def _scope_rows(self) -> Rows:
        return self._rows_of("scopes", "scope_id")

    def _rows_of(self, table: str, key: str) -> Rows:
        known = self._table(table).column(key).to_numpy()
        wanted = self._table("spans").column(key).to_numpy()
        if not len(known):
            return np.full(len(wanted), -1, np.int64)
        order = np.argsort(known)
        places = np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)
        rows = order[places]
        return np.where(known[rows] == wanted, rows, -1).astype(np.int64)

    def _side(self, side: str) -> SideRows:
        return self._events if side == "event" else self._links

    @cached_property
    def _events(self) -> SideRows:
        return SideRows.of(self._table("span_events"), self.frame)

    @cached_property
    def _links(self) -> SideRows:
        return SideRows.of(self._table("span_links"), self.frame)

    def _table(self, name: str) -> pa.Table:
        assert self.frame.tables is not None, "the query was planned without attributes"
        return self.frame.tables[name]


def needs_tables(expression: FieldExpression) -> bool:
    """Whether the columns of a frame alone cannot answer it."""
    return any(
        field != Attribute(SERVICE.scope, SERVICE.key, field.is_parent)
        if isinstance(field, Attribute)
        else field.name.startswith(("event:", "link:", "instrumentation:"))
        for field in fields_of(expression)
    )


def _is_nil(comparison: Binary) -> bool:
    nil = Static(Type.NIL, None)
    return nil in (comparison.left, comparison.right)


def _side_of(expression: FieldExpression) -> str | None:
    """The side table that an expression looks at, the first one of several."""
    for field in fields_of(expression):
        scope = field.scope if isinstance(field, Attribute) else field.name.partition(":")[0]
        if scope in _SIDES:
            return scope
    return None
