"""Matchers of a selector: which are valid, and whether a label set meets them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import re2

from longpole.analyzer.promql.expressions import Matcher, MatchOp

NAME = "__name__"
_MOST_REMEMBERED = 50_000
# Each one is held against every series that the others leave.
MOST_MATCHERS = 1_000
_Refuse = Callable[[str], Exception]


def matcher_of(label: str, op: MatchOp, value: str, refuse: _Refuse) -> Matcher:
    """A matcher whose regex compiles; `refuse` makes the exception for one that does not."""
    if op in (MatchOp.REGEX, MatchOp.NOT_REGEX):
        try:
            compiled(value)
        except re2.error as error:
            words = error.args[0]
            said = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
            raise refuse(f"error parsing regexp: {said[:200]}") from None
    return Matcher(label, op, value)


def selector_matchers(
    names: Sequence[str], given: Sequence[Matcher], refuse: _Refuse
) -> tuple[Matcher, ...]:
    """All matchers of one selector, its metric name among them."""
    if len(names) > 1:
        raise refuse(f"metric name must not be set twice: {names[0]!r} or {names[1]!r}")
    if names and any(m.label == NAME and m.op is MatchOp.EQUAL for m in given):
        raise refuse(f"metric name must not be set twice: {names[0]!r}")
    if len(given) > MOST_MATCHERS:
        raise refuse(f"a selector has more than {MOST_MATCHERS:,} matchers")
    matchers = (*(Matcher(NAME, MatchOp.EQUAL, name) for name in names), *given)
    if all(meets(matcher, "") for matcher in matchers):
        raise refuse("vector selector must contain at least one non-empty matcher")
    return matchers


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re2._Regexp:
    """RE2, which takes linear time on whatever text; the whole value has to match."""
    options = re2.Options()
    options.dot_nl = True
    options.max_mem = 8 << 20
    options.log_errors = False
    return re2.compile(f"^(?:{pattern})$", options)


def meets(matcher: Matcher, value: str) -> bool:
    """Whether a label value ("" for none) meets one matcher."""
    if matcher.op is MatchOp.EQUAL:
        return value == matcher.value
    if matcher.op is MatchOp.NOT_EQUAL:
        return value != matcher.value
    is_match = compiled(matcher.value).fullmatch(value) is not None
    return is_match == (matcher.op is MatchOp.REGEX)


def meets_all(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether a label set meets every matcher."""
    return all(meets(matcher, labels.get(matcher.label, "")) for matcher in matchers)


def check_of(matchers: Sequence[Matcher]) -> Callable[[Mapping[str, str]], bool]:
    """`meets_all` for many label sets: what was found of a value is remembered, since most sets
    have values that others have too."""
    checks: list[tuple[Matcher, dict[str, bool]]] = [(matcher, {}) for matcher in matchers]

    def check(labels: Mapping[str, str]) -> bool:
        for matcher, known in checks:
            value = labels.get(matcher.label, "")
            found = known.get(value)
            if found is None:
                if len(known) > _MOST_REMEMBERED:
                    known.clear()
                found = known[value] = meets(matcher, value)
            if not found:
                return False
        return True

    return check
