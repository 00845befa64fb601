"""Text to a LogQL query: metrics by precedence climbing, then the lines below them."""

from __future__ import annotations

from longpole.analyzer.logql.expressions import (
    Aggregation,
    LabelReplace,
    Metric,
    Number,
    Operation,
    OverTime,
    Query,
    Vector,
)
from longpole.analyzer.logql.line_parsing import LineParser
from longpole.analyzer.logql.refusals import ParseError
from longpole.analyzer.logql.token_stream import TokenStream
from longpole.analyzer.logql.tokens import tokens_of
from longpole.analyzer.logql.windows import OF_LINES, OF_NUMBERS

MOST_CHARACTERS = 65_536
OVER_TIME = tuple(dict.fromkeys((*OF_LINES, *OF_NUMBERS)))
AGGREGATIONS = (
    "sum", "avg", "min", "max", "count", "topk", "bottomk", "stddev", "stdvar", "sort", "sort_desc",
    "approx_topk",
)  # fmt: skip
RANKED = ("topk", "bottomk", "approx_topk")
# Those that may say themselves by which labels series are told apart.
_GROUPED = frozenset(OF_NUMBERS) - {"sum_over_time", "rate", "absent_over_time"}
# What Loki knows besides.
_UNSUPPORTED = frozenset({"rate_counter"})
_STRENGTH = {
    **dict.fromkeys(("==", "!=", ">", ">=", "<", "<="), 2),
    "+": 3, "-": 3, "*": 4, "/": 4, "%": 4, "^": 5,
}  # fmt: skip


def parse(text: str, *, needs_matcher: bool = False) -> Query:
    """The query behind a text. With `needs_matcher` a selector that every stream meets is refused,
    as Loki refuses it in queries. Raises `ParseError`."""
    if len(text) > MOST_CHARACTERS:
        raise ParseError(f"the query has more than {MOST_CHARACTERS} characters", text, 0)
    parser = _Parser(TokenStream(text, tokens_of(text)), needs_matcher)
    query = parser.query()
    if parser.stream.token.kind != "end":
        raise parser.stream.unexpected()
    return query


class _Parser:
    def __init__(self, stream: TokenStream, needs_matcher: bool) -> None:
        self.stream = stream
        self.lines = LineParser(stream, needs_matcher)

    def query(self) -> Query:
        return self.lines.lines() if self.stream.token.text == "{" else self.metric(0)

    def metric(self, least: int) -> Metric:
        with self.stream.nested():
            left = self._operand()
            while True:
                token = self.stream.token
                strength = _STRENGTH.get(token.text, 0) if token.kind == "operator" else 0
                if not strength or strength <= least:
                    return left
                self.stream.advance()
                self.stream.take_name("bool")
                right = self.metric(strength - 1 if token.text == "^" else strength)
                self.stream.count_join()
                left = Operation(token.text, left, right)

    def _operand(self) -> Metric:
        stream = self.stream
        if stream.take("("):
            inner = self.metric(0)
            stream.expect(")")
            return inner
        is_negative = stream.take("-")
        if stream.token.kind == "number":
            value = float(stream.advance().value)
            return Number(-value if is_negative else value)
        name = stream.token.text if stream.token.kind == "name" else ""
        if name in _UNSUPPORTED:
            supported = ", ".join((*OVER_TIME, *AGGREGATIONS))
            raise stream.error(f"{name} is not supported here; supported are {supported}")
        if is_negative or name not in (*OVER_TIME, *AGGREGATIONS, "vector", "label_replace"):
            raise stream.unexpected()
        stream.advance()
        if name == "label_replace":
            return self._label_replace()
        if name == "vector":
            stream.expect("(")
            sign = -1 if stream.take("-") else 1
            vector = Vector(sign * stream.number())
            stream.expect(")")
            return vector
        return self._over_time(name) if name in OVER_TIME else self._aggregation(name)

    def _over_time(self, function: str) -> OverTime:
        stream = self.stream
        by, is_without = self._grouping()
        stream.expect("(")
        parameter = 0.0
        if function == "quantile_over_time":
            parameter = (-1 if stream.take("-") else 1) * stream.number()
            stream.expect(",")
        wrapped = stream.take("(")
        lines, range_ns = self.lines.ranged()
        if wrapped:
            stream.expect(")")
        if range_ns is None:
            stream.expect("[")
            range_ns = stream.duration()
            stream.expect("]")
        if range_ns <= 0:
            raise stream.error("a range must be longer than 0")
        offset = 0
        if stream.take_name("offset"):
            sign = -1 if stream.take("-") else 1
            offset = sign * stream.duration()
        stream.expect(")")
        if by is None:
            by, is_without = self._grouping()
        if by is not None and function not in _GROUPED:
            raise stream.error(f"grouping not allowed for {function} aggregation")
        if lines.are_unwrapped and function not in OF_NUMBERS:
            raise stream.error(f"invalid aggregation {function} with unwrap")
        if not lines.are_unwrapped and function not in OF_LINES:
            raise stream.error(f"invalid aggregation {function} without unwrap")
        return OverTime(function, lines, range_ns, offset, parameter, by, is_without)

    def _label_replace(self) -> LabelReplace:
        stream = self.stream
        stream.expect("(")
        operand = self.metric(0)
        texts = []
        for _ in range(4):
            stream.expect(",")
            texts.append(stream.string())
        stream.expect(")")
        label, replacement, source, pattern = texts
        self.lines.check_regex(pattern)
        return LabelReplace(operand, label, replacement, source, pattern)

    def _aggregation(self, operator: str) -> Aggregation:
        stream = self.stream
        by, is_without = self._grouping()
        stream.expect("(")
        parameter = 0
        if operator in RANKED:
            number = stream.number()
            if number < 1 or number != int(number):
                raise stream.error(f"{operator} takes a whole number above 0")
            parameter = int(number)
            stream.expect(",")
        operand = self.metric(0)
        stream.expect(")")
        if by is None:
            by, is_without = self._grouping()
        return Aggregation(operator, operand, by, is_without, parameter)

    def _grouping(self) -> tuple[tuple[str, ...] | None, bool]:
        stream = self.stream
        is_without = stream.token.text == "without"
        if stream.token.kind != "name" or stream.token.text not in ("by", "without"):
            return None, False
        stream.advance()
        stream.expect("(")
        found: list[str] = []
        while not stream.take(")"):
            found.append(stream.name())
            if not stream.take(","):
                stream.expect(")")
                break
        return tuple(found), is_without
