from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.analyzer.traceql import QuerySyntaxError, format_query, parse_query
from longpole.model.query import TRACE_FIELDS, Comparison, Condition, Field, TraceQuery
from longpole.model.timerange import TimeRange
from tests.effort import examples

MS = 1_000_000
F, C = Field, Comparison
LONG_ID = "0" * 16 + "f067aa0ba902b7aa"
ATTRIBUTES = [Field.SPAN_ATTRIBUTE, Field.RESOURCE_ATTRIBUTE, Field.ANY_ATTRIBUTE]
TEXTS = [Field.NAME, Field.STATUS_MESSAGE, Field.SERVICE, Field.ROOT_NAME, Field.ROOT_SERVICE]


def only(text: str) -> Condition:
    (condition,) = parse_query(text).conditions
    return condition


@pytest.mark.parametrize("text", ["", "  ", "{}", "{ }", "{ true }", "{true && true}"])
def test_nothing_asked_matches_everything(text: str) -> None:
    assert parse_query(text).conditions == ()


@pytest.mark.parametrize(
    ("text", "condition"),
    [
('{ name = "GET /" }', Condition(F.NAME, C.EQ, "GET /")),
        ("{kind=server}", Condition(F.KIND, C.EQ, 2)),
        ("{ status != error }", Condition(F.STATUS, C.NE, 2)),
        ("{ status = unset }", Condition(F.STATUS, C.EQ, 0)),
        ('{ statusMessage =~ "time.*" }', Condition(F.STATUS_MESSAGE, C.MATCH, "time.*")),
        ("{ duration > 1.5s }", Condition(F.DURATION, C.GT, 1500 * MS)),
        ("{ duration <= 10us }", Condition(F.DURATION, C.LE, 10_000)),
        ("{ duration < 2h }", Condition(F.DURATION, C.LT, 7_200_000 * MS)),
        ("{ span:duration >= 5ns }", Condition(F.DURATION, C.GE, 5)),
        ("{ traceDuration > 1m }", Condition(F.TRACE_DURATION, C.GT, 60_000 * MS)),
        ("{ trace:duration > 1ms }", Condition(F.TRACE_DURATION, C.GT, MS)),
        ('{ rootName = "a" }', Condition(F.ROOT_NAME, C.EQ, "a")),
        ('{ rootServiceName !~ `a\\b` }', Condition(F.ROOT_SERVICE, C.NOT_MATCH, "a\\b")),
        ('{ resource.service.name = "c" }', Condition(F.SERVICE, C.EQ, "c")),
        ('{ resource.k8s.pod = "p" }', Condition(F.RESOURCE_ATTRIBUTE, C.EQ, "p", "k8s.pod")),
        ("{ span.http.status >= 500 }", Condition(F.SPAN_ATTRIBUTE, C.GE, 500, "http.status")),
        ("{ .ratio < -2.5e3 }", Condition(F.ANY_ATTRIBUTE, C.LT, -2500.0, "ratio")),
        ('{ ."a \\"b\\" c" = true }', Condition(F.ANY_ATTRIBUTE, C.EQ, True, 'a "b" c')),
        ("{ span.wait > 2ms }", Condition(F.SPAN_ATTRIBUTE, C.GT, 2 * MS, "wait")),
        ('{ span:id = "00F067AA0BA902B7" }', Condition(F.SPAN_ID, C.EQ, "00f067aa0ba902b7")),
        ('{ trace:id = "F067AA0BA902B7AA" }', Condition(F.TRACE_ID, C.EQ, LONG_ID)),
    ],
)  # fmt: skip
def test_a_condition_is_read(text: str, condition: Condition) -> None:
    assert only(text) == condition
    assert type(only(text).value) is type(condition.value)


def test_conditions_are_joined_and_time_and_limit_come_from_outside() -> None:
    time = TimeRange(1, 2)
    query = parse_query('{ name = "a" && duration > 1s\n&& traceDuration > 2s }', time, None)
    assert (query.time, query.limit) == (time, None)
    assert [c.field for c in query.span_conditions] == [Field.NAME, Field.DURATION]
    assert [c.field for c in query.trace_conditions] == [Field.TRACE_DURATION]


@pytest.mark.parametrize(
    ("text", "reason", "position"),
    [
        ('{ name = "a" || name = "b" }', "`||` is not supported yet", 13),
        ('{ name = "a" } | count() > 2', "pipelines", 15),
        ('{ name = "a" } >> { name = "b" }', "structural operators", 15),
        ("{ kind = server } && { kind = client }", "joining several", 18),
        ('{ (name = "a") }', "parentheses", 2),
        ("name", "a query starts with {", 0),
        ("{ name", "expected a comparison", 6),
        ('{ name = "a" ', "expected && or }", 13),
        ('{ name = "a" && }', "expected a field", 16),
        ('{ name = "a', "no closing quote", 9),
        ('{ name = "\\q" }', "unknown escape", 10),
        ("{ name = a }", "expected a text in quotes for name", 9),
        ("{ span.a = b }", 'write "b"', 11),
        ("{ nam = 1 }", "unknown field 'nam'", 2),
        ("{ duration > 5 }", "duration with a unit", 13),
        ("{ kind = 'x' }", "kind is one of", 9),
        ("{ span.a =~ 5 }", "needs a text in quotes", 12),
        ("{ span.a > true }", "compared with = and !=", 9),
        ('{ trace:id = "xyz" }', "is not a trace id", 13),
        ("{ false }", "matches nothing", 2),
        ("{} x", "nothing may follow", 3),
    ],
)
def test_a_mistake_is_shown_where_it_is(text: str, reason: str, position: int) -> None:
    with pytest.raises(QuerySyntaxError) as refused:
        parse_query(text)
    assert reason in str(refused.value)
    assert refused.value.position == position


def test_the_caret_stands_under_the_mistake() -> None:
    with pytest.raises(QuerySyntaxError) as refused:
        parse_query('{ name = "a" &&\n  nam = "b" }')
    lines = str(refused.value).splitlines()
    assert lines[1:] == ['    nam = "b" }', "    ^"]


equality = st.sampled_from([Comparison.EQ, Comparison.NE])
ordered = st.sampled_from(
    [Comparison.EQ, Comparison.NE, Comparison.LT, Comparison.LE, Comparison.GT, Comparison.GE]
)
texts = st.text(max_size=12)
numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
span_ids = st.integers(1, 2**64 - 1).map(lambda i: f"{i:016x}")
trace_ids = st.integers(1, 2**128 - 1).map(lambda i: f"{i:032x}")
keys = st.text(min_size=1, max_size=12)
fields = st.sampled_from(ATTRIBUTES)
conditions = st.one_of(
    st.builds(Condition, st.sampled_from(TEXTS), st.sampled_from(Comparison), texts),
    st.builds(Condition, st.sampled_from([Field.KIND, Field.STATUS]), equality, st.integers(0, 9)),
    st.builds(
        Condition,
        st.sampled_from([Field.DURATION, Field.TRACE_DURATION]),
        ordered,
        st.integers(0, 2**63 - 1),
    ),
    st.builds(Condition, st.just(Field.SPAN_ID), equality, span_ids),
    st.builds(Condition, st.just(Field.TRACE_ID), equality, trace_ids),
    st.builds(Condition, fields, st.sampled_from(Comparison), texts, keys),
    st.builds(Condition, fields, ordered, numbers, keys),
    st.builds(Condition, fields, equality, st.booleans(), keys),
)


@examples(120, 500)
@given(st.lists(conditions, max_size=4))
def test_what_is_written_reads_back_the_same(asked: list[Condition]) -> None:
    query = TraceQuery(tuple(asked))
    again = parse_query(format_query(query))
    assert again == query
    assert [type(c.value) for c in again.conditions] == [type(c.value) for c in asked]


@examples(120, 300)
@given(st.text(alphabet='{}&|="`\\.:~!<>() abname1smspan', max_size=30))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    position = 0
    try:
        query = parse_query(text)
    except QuerySyntaxError as refused:
        position = refused.position
    else:
        assert parse_query(format_query(query)) == query
    assert 0 <= position <= len(text)


def test_every_trace_field_can_be_asked_for() -> None:
    values: dict[Field, str | int] = {
        Field.TRACE_ID: "0" * 31 + "1",
        Field.TRACE_DURATION: 5,
        Field.ROOT_NAME: "a",
        Field.ROOT_SERVICE: "b",
    }
    assert set(values) == TRACE_FIELDS
    for field, value in values.items():
        condition = Condition(field, Comparison.EQ, value)
        assert only(format_query(TraceQuery((condition,)))) == condition
