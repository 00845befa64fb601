"""Text to expressions: what is refused, with its place, and what a text means."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.analyzer.promql.expressions import Binary, Number, Unary, VectorSelector
from longpole.analyzer.promql.parsing import DEEPEST
from longpole.analyzer.promql.query import LONGEST_QUERY, parse, parse_selector
from longpole.analyzer.promql.refusals import QueryError

REFUSED = (
    ("", "1:1: parse error: no expression found in input"),
    ("1 +", "1:4: parse error: unexpected end of input"),
    ("1 == 1", "1:1: parse error: comparisons between scalars must use BOOL modifier"),
    ("foo and 1", "1:1: parse error: set operator 'and' not allowed in binary scalar expression"),
    ("rate(foo)", "1:6: parse error: expected type range vector in call to function 'rate'"),
    ("foo[5m]\n+ 1", "1:1: parse error: binary expression must contain only scalar"),
    ("sum(foo)\n  by", "2:5: parse error: unexpected end of input in aggregation"),
    ("nope(foo)", "1:1: parse error: unknown function with name 'nope'"),
    ("foo{a=~'('}", "1:8: parse error: error parsing regexp: missing )"),
    ("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
    ("{a=~'.*'}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
    ("foo{__name__='x'}", "1:1: parse error: metric name must not be set twice"),
    ("foo offset 1m offset 2m", "1:15: parse error: offset may not be set multiple times"),
    ("foo[0s]", "1:5: parse error: duration must be greater than 0"),
    ("foo[5m][5m]", "1:8: parse error: ranges only allowed for vector selectors"),
    ("1 offset 5m", "1:3: parse error: offset modifier must be preceded by"),
    ("foo + bool bar", "1:5: parse error: bool modifier can only be used on comparison operators"),
    ("foo and on(a) group_left() bar", "1:15: parse error: no grouping allowed for 'and'"),
    ("foo * on(a) group_left(a) bar", "parse error: label 'a' must not occur in ON and GROUP"),
    ("topk(foo)", "1:1: parse error: wrong number of arguments for aggregate expression"),
    ("clamp(foo, 1)", "1:1: parse error: expected 3 argument(s) in call to 'clamp', got 2"),
    ("'abc", "1:1: parse error: unterminated quoted string"),
    ("'\\q'", "1:1: parse error: unknown escape sequence \\q"),
    ("5mm", "1:1: parse error: bad number or duration syntax"),
    ("foo # comment", None),
    ("max_over_time(time()[5m:])", "1:15: parse error: subquery is only allowed on instant vector"),
)


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_a_refusal_says_what_and_where(text: str, message: str | None) -> None:
    if message is None:
        parse(text)
        return
    with pytest.raises(QueryError) as refused:
        parse(text)
    assert message in str(refused.value)


def test_a_power_groups_to_the_right_and_binds_before_a_sign() -> None:
    power = parse("2 ^ 3 ^ 2")
    assert isinstance(power, Binary)
    assert isinstance(power.left, Number)
    negative = parse("-x ^ 2")
    assert isinstance(negative, Unary)
    assert isinstance(negative.inner, Binary)


def test_a_negative_time_stays_negative() -> None:
    found = parse("foo @ -10")
    assert isinstance(found, VectorSelector)
    assert found.shift.fixed_ms == -10_000


def test_a_selector_is_read_alone() -> None:
    assert len(parse_selector('up{job="x"}')) == 2
    with pytest.raises(QueryError, match="only a series selector"):
        parse_selector("sum(up)")


@pytest.mark.parametrize(
    "text",
    ["(" * (DEEPEST + 2) + "1" + ")" * (DEEPEST + 2), "-" * 5_000 + "1", "+".join("1" * 5_000),
     "1" * (LONGEST_QUERY + 1), "abs(" * 5_000, "2" + "^2" * 5_000],
)  # fmt: skip
def test_a_query_without_end_is_refused_at_once(text: str) -> None:
    with pytest.raises(QueryError, match="nested deeper|longer than"):
        parse(text)


@given(st.text("abc(){}[]:,+-*/^%=!~<>\"'`\\@ 0159.msh_by\n#é\ud800", max_size=40))
def test_whatever_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(QueryError):
        parse(text)
