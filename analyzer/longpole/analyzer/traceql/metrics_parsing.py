"""Text to what is measured of spans: functions over time, `compare`, and what follows them."""

from __future__ import annotations

from dataclasses import dataclass

from longpole.analyzer.traceql.expressions import (
    Compare,
    Field,
    Measured,
    OverTime,
    Pipeline,
    Ranked,
    SpansetFilter,
    Static,
    Threshold,
    Type,
)
from longpole.analyzer.traceql.field_parsing import FieldParser
from longpole.analyzer.traceql.token_stream import TokenStream
from longpole.analyzer.traceql.tokens import TokenKind

_COUNTING = ("rate", "count_over_time")
_OF_A_FIELD = (
    "min_over_time", "max_over_time", "avg_over_time", "sum_over_time", "histogram_over_time",
)  # fmt: skip
METRICS = (*_COUNTING, *_OF_A_FIELD, "quantile_over_time", "compare")
_COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
MOST_GROUPS = 5


@dataclass(frozen=True, slots=True)
class MetricsParser:
    """Reads metrics from a stream that others read too."""

    stream: TokenStream
    fields: FieldParser

    def measured(self, pipeline: Pipeline) -> Measured:
        """The function that ends a pipeline, with its second stages."""
        if not pipeline.stages:
            pipeline = Pipeline((SpansetFilter(Static(Type.BOOL, True)),))
        name = self.stream.advance().text
        self.stream.expect("(")
        function = self._compare() if name == "compare" else self._over_time(name)
        return Measured(pipeline, function, self._then())

    def _over_time(self, name: str) -> OverTime:
        stream = self.stream
        if name in _COUNTING:
            stream.expect(")")
            return OverTime(name, by=self._by())
        field = self.fields.field()
        if field is None:
            raise stream.unexpected()
        quantiles: list[float] = []
        while name == "quantile_over_time" and stream.take(","):
            at = stream.token
            quantile = self._number()
            if not 0 <= quantile <= 1:
                raise stream.error("quantile must be between 0 and 1", at)
            quantiles.append(quantile)
        if name == "quantile_over_time" and not quantiles:
            raise stream.error("quantile_over_time needs at least one quantile, such as 0.9")
        stream.expect(")")
        return OverTime(name, field, tuple(dict.fromkeys(quantiles)), self._by())

    def _by(self) -> tuple[Field, ...]:
        stream = self.stream
        at = stream.token
        if not stream.take_word("by"):
            return ()
        stream.expect("(")
        found = self.fields.field_list()
        if len(found) > MOST_GROUPS:
            raise stream.error(f"by() takes at most {MOST_GROUPS} fields", at)
        return found

    def _compare(self) -> Compare:
        stream = self.stream
        selection = self.fields.spanset_filter()
        numbers: list[int] = []
        while stream.take(","):
            at = stream.token
            number = self._number()
            if number != int(number):
                raise stream.error("compare() takes whole numbers", at)
            numbers.append(int(number))
        stream.expect(")")
        if len(numbers) not in (0, 1, 3):
            raise stream.error("compare() takes a filter, then n, then start and end")
        top, start, end = (*numbers, *(10, 0, 0)[len(numbers) :])
        return Compare(selection, top, start, end)

    def _then(self) -> tuple[Ranked | Threshold, ...]:
        stream = self.stream
        found: list[Ranked | Threshold] = []
        while True:
            token = stream.token
            if token.kind is TokenKind.OPERATOR and token.text in _COMPARISONS:
                stream.advance()
                found.append(Threshold(token.text, self._number()))
            elif stream.take("|"):
                if stream.token.text not in ("topk", "bottomk"):
                    raise stream.unexpected()
                is_top = stream.advance().text == "topk"
                stream.expect("(")
                at = stream.token
                most = self._number()
                if most != int(most) or most < 1:
                    raise stream.error("topk and bottomk take a whole number above 0", at)
                stream.expect(")")
                found.append(Ranked(is_top, int(most)))
            else:
                return tuple(found)

    def _number(self) -> float | int:
        at = self.stream.token
        static = self.fields.static()
        if static is None:
            raise self.stream.unexpected()
        if isinstance(static.value, bool) or not isinstance(static.value, int | float):
            raise self.stream.error("syntax error: expected a number", at)
        # Durations are measured in seconds.
        return static.value / 1e9 if static.type is Type.DURATION else static.value
