"""Text to a TraceQL query: pipelines of spansets and scalars, by precedence climbing.

Parentheses may hold spansets, a pipeline, a number of a pipeline or metrics, and what they hold
decides what may stand beside them; so operands are read first and then joined by their nature.
`&&` and `||` are equally strong, as are structural operators and comparisons, and all but `^`
join from the left: that is Tempo's grammar (pkg/traceql/expr.y).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from longpole.analyzer.traceql.checking import check
from longpole.analyzer.traceql.expressions import (
    Aggregate,
    Coalesce,
    FieldExpression,
    GroupBy,
    Measured,
    MetricsOperation,
    Pipeline,
    Query,
    Scalar,
    ScalarFilter,
    ScalarOperation,
    ScalarPipeline,
    Select,
    SpansetFilter,
    SpansetOperation,
    Stage,
    Static,
    Type,
)
from longpole.analyzer.traceql.field_parsing import FieldParser
from longpole.analyzer.traceql.metrics_parsing import METRICS, MetricsParser
from longpole.analyzer.traceql.refusals import ParseError
from longpole.analyzer.traceql.token_stream import TokenStream
from longpole.analyzer.traceql.tokens import TokenKind, tokens_of

MOST_CHARACTERS = 65_536
AGGREGATES = ("count", "avg", "max", "min", "sum")
STRUCTURAL = (
    ">", "<", ">>", "<<", "~", "!>", "!<", "!>>", "!<<", "!~", "&>", "&<", "&>>", "&<<", "&~",
)  # fmt: skip
COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
_STRENGTH = {
    "&&": 2, "||": 2, **dict.fromkeys((*STRUCTURAL, *COMPARISONS), 3),
    "+": 4, "-": 4, "*": 6, "/": 6, "%": 6, "^": 7,
}  # fmt: skip

Spansets: TypeAlias = SpansetFilter | SpansetOperation | Pipeline
Operand: TypeAlias = (
    Spansets | Scalar | ScalarFilter | GroupBy | Coalesce | Select | Measured | MetricsOperation
)
_SPANSETS = (SpansetFilter, SpansetOperation, Pipeline)
_SCALARS = (Static, Aggregate, ScalarOperation, ScalarPipeline)
_METRICS = (Measured, MetricsOperation)


def parse(text: str) -> Query:
    """The query behind a text, checked for types. Raises `ParseError` and `InvalidQuery`."""
    if len(text) > MOST_CHARACTERS:
        raise ParseError(f"the query has more than {MOST_CHARACTERS} characters", text, 0)
    stream = TokenStream(text, tokens_of(text))
    fields = FieldParser(stream)
    query = _Parser(stream, fields, MetricsParser(stream, fields)).query()
    check(query)
    return query


@dataclass(frozen=True, slots=True)
class _Parser:
    stream: TokenStream
    fields: FieldParser
    metrics: MetricsParser

    def query(self) -> Query:
        stream = self.stream
        start = stream.token
        if start.kind is TokenKind.END:
            return Query(Pipeline((SpansetFilter(Static(Type.BOOL, True)),)))
        root = self._pipeline()
        hints = self._hints() if stream.take_word("with") else ()
        if stream.token.kind is not TokenKind.END:
            raise stream.unexpected()
        if isinstance(root, _SCALARS):
            raise stream.error("syntax error: a number alone is no query: compare it", start)
        return Query(_as_root(root), hints)

    def _pipeline(self) -> Operand:
        """Stages up to what ends them; a pipeline of one spanset stays a spanset."""
        with self.stream.nested():
            stages: list[Stage] = []
            while True:
                start = self.stream.token
                if start.text in METRICS and start.kind is TokenKind.WORD:
                    return self.metrics.measured(Pipeline(tuple(stages)))
                operand = self._joined(0)
                is_last = not self.stream.take("|")
                if isinstance(operand, _SCALARS):
                    if not is_last:
                        raise self.stream.error("syntax error: compare this number", start)
                    return ScalarPipeline(tuple(stages), operand) if stages else operand
                if isinstance(operand, _METRICS):
                    if stages or not is_last:
                        raise self.stream.error("syntax error: metrics stand at the end", start)
                    return operand
                if isinstance(operand, Coalesce) and not stages:
                    raise self.stream.error("syntax error: coalesce() needs spansets", start)
                stages.append(operand)
                if is_last:
                    only = stages[0]
                    if len(stages) == 1 and isinstance(only, _SPANSETS):
                        return only
                    return Pipeline(tuple(stages))

    def _joined(self, least: int) -> Operand:
        left = self._operand()
        while True:
            token = self.stream.token
            strength = _STRENGTH.get(token.text, 0) if token.kind is TokenKind.OPERATOR else 0
            if not strength or strength <= least:
                return left
            self.stream.advance()
            with self.stream.nested():
                right = self._joined(strength - 1 if token.text == "^" else strength)
            joined = _join(token.text, left, right)
            if joined is None:
                raise self.stream.error(f"syntax error: unexpected {token.text}", token)
            left = self.stream.deepened(joined, left, right)

    def _operand(self) -> Operand:
        stream = self.stream
        if stream.take("("):
            inner = self._pipeline()
            stream.expect(")")
            return inner
        if stream.token.text == "{":
            return self.fields.spanset_filter()
        token = stream.token
        if token.kind is TokenKind.WORD and stream.next_text() == "(":
            if token.text in AGGREGATES:
                return self._aggregate()
            if token.text == "by":
                stream.advance()
                return GroupBy(self._in_parentheses())
            if token.text == "coalesce":
                stream.advance()
                stream.expect("(")
                stream.expect(")")
                return Coalesce()
            if token.text == "select":
                stream.advance()
                stream.expect("(")
                return Select(self.fields.field_list())
        static = self.fields.static()
        if static is not None:
            return static
        raise stream.unexpected()

    def _aggregate(self) -> Aggregate:
        name = self.stream.advance().text
        if name != "count":
            return Aggregate(name, self._in_parentheses())
        self.stream.expect("(")
        self.stream.expect(")")
        return Aggregate(name)

    def _in_parentheses(self) -> FieldExpression:
        self.stream.expect("(")
        inner = self.fields.expression()
        self.stream.expect(")")
        return inner

    def _hints(self) -> tuple[tuple[str, Static], ...]:
        stream = self.stream
        stream.expect("(")
        found = []
        while True:
            if stream.token.kind is not TokenKind.WORD:
                raise stream.unexpected()
            name = stream.advance().text
            stream.expect("=")
            value = self.fields.static()
            if value is None:
                raise stream.unexpected()
            found.append((name, value))
            if not stream.take(","):
                stream.expect(")")
                return tuple(found)


def _join(operator: str, left: Operand, right: Operand) -> Operand | None:
    """Two operands as one, None where the grammar has no such thing."""
    if isinstance(left, _SPANSETS) and isinstance(right, _SPANSETS):
        is_known = operator in STRUCTURAL or operator in ("&&", "||")
        return SpansetOperation(operator, left, right) if is_known else None
    if isinstance(left, _SCALARS) and isinstance(right, _SCALARS):
        if operator in COMPARISONS:
            return ScalarFilter(operator, left, right)
        return ScalarOperation(operator, left, right) if operator in "+-*/%^" else None
    if isinstance(left, (*_METRICS, Static)) and isinstance(right, (*_METRICS, Static)):
        is_known = operator in "+-*/" or operator in COMPARISONS
        return MetricsOperation(operator, left, right) if is_known else None
    return None


def _as_root(root: Operand) -> Pipeline | Measured | MetricsOperation:
    if isinstance(root, Pipeline | Measured | MetricsOperation):
        return root
    assert not isinstance(root, _SCALARS)
    return Pipeline((root,))
