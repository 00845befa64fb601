"""The grammar of TraceQL: what parses, what is refused and where."""

from __future__ import annotations

import pytest

from longpole.analyzer.traceql.expressions import (
    Attribute,
    Binary,
    Logical,
    Measured,
    Pipeline,
    Query,
    SpansetFilter,
    SpansetOperation,
    Static,
    Type,
)
from longpole.analyzer.traceql.parsing import parse
from longpole.analyzer.traceql.refusals import InvalidQuery, ParseError


def condition(text: str) -> object:
    """What stands in the braces of a query."""
    root = parse(text).root
    assert isinstance(root, Pipeline)
    (stage,) = root.stages
    assert isinstance(stage, SpansetFilter)
    return stage.condition


A, B, C = (Attribute("", key) for key in "abc")


def test_and_and_or_are_equally_strong_and_join_from_the_left() -> None:
    assert condition("{ .a || .b && .c }") == Logical("&&", (Logical("||", (A, B)), C))
    assert condition("{ .a && .b && .c }") == Logical("&&", (A, B, C))
    root = parse("{} || {} && {}").root
    assert isinstance(root, Pipeline)
    (operation,) = root.stages
    assert isinstance(operation, SpansetOperation)
    assert operation.operator == "&&"


def test_power_joins_from_the_right_and_a_sign_binds_weaker_than_a_product() -> None:
    two, three = Static(Type.INT, 2), Static(Type.INT, 3)
    power = Binary("^", A, Binary("^", two, three))
    assert condition("{ .a ^ 2 ^ 3 = 2 }") == Binary("=", power, two)
    assert condition("{ .a = -2 }") == Binary("=", A, Static(Type.INT, -2))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{ .a.b-c }", Attribute("", "a.b-c")),
        ("{ span.http/x }", Attribute("span", "http/x")),
        ('{ resource."a b" }', Attribute("resource", "a b")),
        ('{ span.a."b \\" c".d }', Attribute("span", 'a.b " c.d')),
        ("{ parent.x }", Attribute("", "x", True)),
        ("{ parent.span.x }", Attribute("span", "x", True)),
        ("{ event.x }", Attribute("event", "x")),
        ("{ link.x }", Attribute("link", "x")),
        ("{ instrumentation.x }", Attribute("instrumentation", "x")),
        ("{ .span }", Attribute("", "span")),
        ("{ .5x }", Attribute("", "5x")),
    ],
)
def test_attributes_have_scopes_and_any_key(text: str, field: Attribute) -> None:
    assert condition(text) == field


@pytest.mark.parametrize(
    ("text", "static"),
    [
        ("1.5s", Static(Type.DURATION, 1_500_000_000)),
        ("1h30m", Static(Type.DURATION, 5_400_000_000_000)),
        ("100µs", Static(Type.DURATION, 100_000)),
        ("1e3", Static(Type.FLOAT, 1000.0)),
        (".5", Static(Type.FLOAT, 0.5)),
        ("maxInt", Static(Type.INT, 2**63 - 1)),
        ("`a\\n`", Static(Type.STRING, "a\\n")),
        ('"\\u263a\\n"', Static(Type.STRING, "\u263a\n")),
        ("error", Static(Type.STATUS, 2)),
        ("consumer", Static(Type.KIND, 5)),
        ("nil", Static(Type.NIL, None)),
    ],
)
def test_constants_keep_their_types(text: str, static: Static) -> None:
    assert condition(f"{{ .a = {text} }}") == Binary("=", A, static)


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "{ !(`x` != .c || ((true && .b) || 3 < .a)) }", "{ 1 = 2 }", "{ 1 <= 1.1 }",
        "{ event:timeSinceStart > 1s }", "{ trace:rootService = `a` }", "{ duration > 1s * 2s }",
        "{ true } !>> { true }", "{ true } &~ { true }", "{ true } !~ { true }", "select(.a)",
        "({ true } | count() > 1 | { false }) >> ({ true } | count() > 1 | { false })",
        "max(duration) > 3s | { status = error || .http.status = 500 }", "count() = 1 | { true }",
        "{ true } | by(1 + .a) | coalesce()", "{ true } | by(3 * .f - 2) | max(duration) < 1s",
        "max(1 - (2 + .field)) < avg(3 * duration ^ 2)", "{ true } | count() + count() = 1",
        "({ .a } | count()) / ({ .b } | count()) > ({ .c } | count())", "{ parent = nil }",
        "{} | rate()", "{} | rate() by (.a, name) with(sample=true)", "{} | rate() > 3",
        "{} | quantile_over_time(duration, 0, 0.9, 1) by (span.http.path) | topk(3) | bottomk(2)",
        "{} | compare({ status = error }, 10, 1700000000000000000, 1700000001000000000)",
        "({} | rate()) / ({ status = error } | rate()) * 100", "{} | sum_over_time(.bytes) >= 1s",
        "{ .a } // comment\n| /* another */ count() > 1",
    ],
)  # fmt: skip
def test_the_language_parses(text: str) -> None:
    assert isinstance(parse(text), Query)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{ foo = 1 }", "line 1, col 3: unknown identifier: foo"),
        ("{\n  .a = }", "line 2, col 8: syntax error: unexpected }"),
        ("{ .a < 3", "line 1, col 9: syntax error: unexpected the end of the query, expecting }"),
        ("{ .a == 4 }", "line 1, col 7: syntax error: unexpected ="),
        ("{ true } + { true }", "line 1, col 10: syntax error: unexpected +"),
        ("count() > 3 && { true }", "line 1, col 13"),
        ("{ true } | count()", "a number alone is no query"),
        ("coalesce() | { true }", "coalesce() needs spansets"),
        ("({ true }) + (count()) = 1", "line 1, col 12"),
        ("{ trace:status = error }", "unknown identifier: trace:status"),
        ('{ .a = "x }', "literal not terminated"),
        ("{ .a = 99999999999999999999 }", "does not fit 64 bits"),
        ("{} | rate() | {}", "line 1, col 15"),
        ("{} | quantile_over_time(duration)", "at least one quantile"),
        ("{} | quantile_over_time(duration, 2)", "between 0 and 1"),
        ("{} | topk(3)", "unknown identifier: topk"),
        ("true", "line 1, col 1"),
        ("[ true ]", "line 1, col 1"),
        ("{ . }", "line 1, col 3"),
        ("select()", "line 1, col 8"),
        ("(" * 5000, "nests deeper"),
        ("{" + "!" * 5000 + ".a}", "nests deeper"),
        ("{ " + " + ".join([".a"] * 900) + " = 1 }", "joins more than"),
        ("{ " + " && ".join([".a"] * 2000) + " }", "joins more than"),
        ("x" * 70_000, "more than 65536 characters"),
    ],
)
def test_what_is_no_query_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ParseError, match="^parse error at line") as refusal:
        parse(text)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "{ status }", "{ ok }", "{ 1 + 1 }", "{ 1 + `foo` = 1 }", "{ 1 ^ name = 1 }",
        "{ 1 = name }", "{ 1 =~ 2 }", "{ 1 && `foo` }", "{ status > ok }", "{ kind < consumer }",
        "{ rootServiceName = 1 }", "{ .a =~ `[` }", "{ -true }", "{ !name = `foo` }", "{ !1 = 1 }",
        "min(1 = 3) = 1", "sum(3) = 2", "max(name) = `a`", "max(duration) < ok", "3 = 2",
        "{ true } | by(1)", "{ nestedSetLeft = `foo` }", "{} | avg_over_time(name)",
        "{} | compare({}, 0)", "{} | compare({}, 10, 5, 4)", "{ .a =~ .b }",
    ],
)  # fmt: skip
def test_types_that_do_not_fit_are_refused(text: str) -> None:
    with pytest.raises(InvalidQuery):
        parse(text)


def test_many_conditions_are_fine() -> None:
    assert parse("{ " + " && ".join([f".a{n} = {n}" for n in range(900)]) + " }")
    assert isinstance(parse("{} | rate()").root, Measured)
