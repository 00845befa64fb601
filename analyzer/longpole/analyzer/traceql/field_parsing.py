"""Text to what stands inside of `{ ... }`: fields, constants, comparisons, `&&` and `||`."""

from __future__ import annotations

from dataclasses import dataclass

from longpole.analyzer.traceql.expressions import (
    Attribute,
    Binary,
    Field,
    FieldExpression,
    Intrinsic,
    Logical,
    SpansetFilter,
    Static,
    Type,
    Unary,
)
from longpole.analyzer.traceql.fields import INTRINSICS, KINDS, STATUSES
from longpole.analyzer.traceql.token_stream import TokenStream
from longpole.analyzer.traceql.tokens import TokenKind

MOST_JOINED = 1000
_STRENGTH = {
    "&&": 2, "||": 2,
    **dict.fromkeys(("=", "!=", "<", "<=", ">", ">=", "=~", "!~"), 3),
    "+": 4, "-": 4, "*": 6, "/": 6, "%": 6, "^": 7,
}  # fmt: skip
# What binds tighter than a sign: `-a * b` is `-(a * b)`, and `!a = b` is `(!a) = b`.
_UNARY = {"-": 4, "!": 5}
_WORDS = {
    "nil": Static(Type.NIL, None),
    "true": Static(Type.BOOL, True),
    "false": Static(Type.BOOL, False),
    "minInt": Static(Type.INT, -(2**63)),
    "maxInt": Static(Type.INT, 2**63 - 1),
    **{name: Static(Type.STATUS, number) for name, number in STATUSES.items()},
    **{name: Static(Type.KIND, number) for name, number in KINDS.items()},
}
_CONSTANTS = {
    TokenKind.STRING: Type.STRING,
    TokenKind.INTEGER: Type.INT,
    TokenKind.FLOAT: Type.FLOAT,
    TokenKind.DURATION: Type.DURATION,
}


@dataclass(frozen=True, slots=True)
class FieldParser:
    """Reads field expressions from a stream that others read too."""

    stream: TokenStream

    def spanset_filter(self) -> SpansetFilter:
        """`{}` or `{ condition }`."""
        self.stream.expect("{")
        if self.stream.take("}"):
            return SpansetFilter(Static(Type.BOOL, True))
        condition = self.expression()
        self.stream.expect("}")
        return SpansetFilter(condition)

    def expression(self, least: int = 0) -> FieldExpression:
        """An expression of operators stronger than `least`."""
        with self.stream.nested():
            left = self._operand()
            while True:
                token = self.stream.token
                strength = _STRENGTH.get(token.text, 0) if token.kind is TokenKind.OPERATOR else 0
                if not strength or strength <= least:
                    return left
                self.stream.advance()
                right = self.expression(strength - 1 if token.text == "^" else strength)
                left = self._joined(token.text, left, right)

    def _joined(
        self, operator: str, left: FieldExpression, right: FieldExpression
    ) -> FieldExpression:
        if operator not in ("&&", "||"):
            return self.stream.deepened(Binary(operator, left, right), left, right)
        if isinstance(left, Logical) and left.operator == operator:
            # Long chains stay flat: filters of a dashboard have hundreds of them.
            if len(left.operands) >= MOST_JOINED:
                raise self.stream.error(f"the query joins more than {MOST_JOINED} conditions")
            chain = Logical(operator, (*left.operands, right))
            return self.stream.deepened(chain, right, *left.operands)
        return self.stream.deepened(Logical(operator, (left, right)), left, right)

    def _operand(self) -> FieldExpression:
        stream = self.stream
        for operator, strength in _UNARY.items():
            if stream.take(operator):
                operand = self.expression(strength)
                folded = _negated(operand) if operator == "-" else None
                return folded or stream.deepened(Unary(operator, operand), operand)
        if stream.take("("):
            inner = self.expression()
            stream.expect(")")
            return inner
        found = self.static() or self.field()
        if found is None:
            raise stream.unexpected()
        return found

    def static(self) -> Static | None:
        """A constant, with its sign outside of `{}`; None when the next token begins none."""
        stream = self.stream
        if stream.token.text == "-" and stream.token.kind is TokenKind.OPERATOR:
            minus = stream.advance()
            number = self.static()
            negated = _negated(number) if number is not None else None
            if negated is None:
                raise stream.error("syntax error: unexpected -", minus)
            return negated
        token = stream.token
        if token.kind in _CONSTANTS:
            stream.advance()
            return Static(_CONSTANTS[token.kind], token.value)
        if token.kind is TokenKind.WORD and token.text in _WORDS:
            stream.advance()
            return _WORDS[token.text]
        return None

    def field(self) -> Field | None:
        """An attribute or an intrinsic; None when the next token is neither."""
        token = self.stream.token
        if token.kind is TokenKind.ATTRIBUTE:
            self.stream.advance()
            key = str(token.value)
            if token.is_parent and not token.scope and key in INTRINSICS:
                return Intrinsic(INTRINSICS[key], True)
            return Attribute(token.scope, key, token.is_parent)
        if token.kind is TokenKind.WORD and token.text in INTRINSICS:
            self.stream.advance()
            return Intrinsic(INTRINSICS[token.text])
        return None

    def field_list(self) -> tuple[Field, ...]:
        """One field or more up to the closing parenthesis, which is read too."""
        found: list[Field] = []
        while True:
            field = self.field()
            if field is None:
                raise self.stream.unexpected()
            found.append(field)
            if not self.stream.take(","):
                self.stream.expect(")")
                return tuple(dict.fromkeys(found))


def _negated(expression: FieldExpression) -> Static | None:
    if not isinstance(expression, Static):
        return None
    value = expression.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if expression.type not in (Type.INT, Type.FLOAT, Type.DURATION):
        return None
    return Static(expression.type, -value)
