"""How changes are written and read."""

from __future__ import annotations

import pytest

from longpole.analyzer.what_if.changes import (
    Change,
    ChangeSyntaxError,
    Kind,
    Scope,
    parse_change,
    parse_changes,
)

OWN, WHOLE = Scope.OWN, Scope.WHOLE


@pytest.mark.parametrize(
    ("text", "kind", "amount", "scope", "words"),
    [
        ("-50%", Kind.SCALE, 500_000, OWN, "−50 % of its own time"),
        ("−12.5 %", Kind.SCALE, 875_000, OWN, "−12.5 % of its own time"),
        ("50% faster", Kind.SCALE, 500_000, OWN, "−50 % of its own time"),
        ("20% slower", Kind.SCALE, 1_200_000, OWN, "+20 % of its own time"),
        ("whole -100%", Kind.SCALE, 0, WHOLE, "without the whole call"),
        ("removed", Kind.SCALE, 0, WHOLE, "without the whole call"),
        ("+1.5s", Kind.ADD, 1_500_000_000, WHOLE, "+1.5 s a call"),
        ("- 30 ms", Kind.ADD, -30_000_000, WHOLE, "−30 ms a call"),
        ("cap 50ms", Kind.CAP, 50_000_000, WHOLE, "the whole call at most 50 ms"),
        ("own at most 10us", Kind.CAP, 10_000, OWN, "its own time at most 10 µs"),
        ("cached 80%", Kind.CACHED, 800_000, WHOLE, "80 % of the calls answered from a cache"),
        ("Parallel", Kind.PARALLEL, 0, WHOLE, "siblings in parallel"),
        ("once", Kind.ONCE, 0, WHOLE, "once instead of several times in a row"),
    ],
)
def test_a_change_reads_as_written(
    text: str, kind: Kind, amount: int, scope: Scope, words: str
) -> None:
    change = parse_change(f"a/b: {text}")
    assert change == Change("a", "b", kind, amount, scope)
    assert change.words == words


@pytest.mark.parametrize(
    ("target", "service", "operation"),
    [
        ("gateway/GET /api/v1/home", "gateway", "GET /api/v1/home"),
        ("gateway › GET /api", "gateway", "GET /api"),
        ("pay/shop.v1.Pay/Charge", "pay", "shop.v1.Pay/Charge"),
        ("pay/run: now", "pay", "run: now"),
        ("*/GET /users/{id}", "*", "GET /users/{id}"),
    ],
)
def test_an_operation_may_hold_slashes_and_colons(
    target: str, service: str, operation: str
) -> None:
    change = parse_change(f"{target}: removed")
    assert (change.service, change.operation) == (service, operation)


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "a/b", "a: -5%", "a/: -5%", "/b: -5%", "a/b: -101%", "a/b: +1000%", "a/b: 50%",
        "a/b: cap 50", "a/b: cap -5ms", "a/b: cached 101%", "a/b: own cached 5%", "a/b: -5",
        "a/b: whole parallel", "a/b: faster", "a/" + "b" * 2000 + ": once",
    ],
)  # fmt: skip
def test_what_is_no_change_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ChangeSyntaxError, match=r"change"):
        parse_change(text)


def test_changes_at_once_are_bounded() -> None:
    with pytest.raises(ChangeSyntaxError, match="51 changes"):
        parse_changes(["a/b: once"] * 51)


@pytest.mark.parametrize(
    ("pattern", "fits", "fails"),
    [
        ("GET *", ["GET ", "GET /a"], ["GET", "POST /a"]),
        ("*", ["", "a"], []),
        ("*a*b", ["ab", "xaxb", "aab b"], ["ba", "abc", "b"]),
        ("a*a", ["aa", "aba"], ["a"]),
        ("a.c", ["a.c"], ["abc"]),
    ],
)
def test_a_star_stands_for_anything(pattern: str, fits: list[str], fails: list[str]) -> None:
    change = parse_change(f"x/{pattern}: once")
    assert all(change.matches("x", text) for text in fits)
    assert not any(change.matches("x", text) for text in fails)
    assert not change.matches("y", fits[0])
