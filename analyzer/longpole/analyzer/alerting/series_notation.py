"""The notation of series in rule tests: `foo{a="b"}` with values `0+10x5 _ stale 1x3`.

a        one value               a+bxN   a, then N more, each b above the one before
axN      a, then N more of it    a-bxN   the same, below
_  _xN   nothing, N times        stale   the end of the series
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from longpole.analyzer.alerting.group_evaluation import STALE
from longpole.analyzer.promql.expressions import MatchOp
from longpole.analyzer.promql.query import parse_selector
from longpole.analyzer.promql.refusals import QueryError
from longpole.analyzer.promql.series import Labels, labels_of
from longpole.analyzer.promql.tokens import number_of

MOST_VALUES = 10_000_000

_NUMBER = (
    r"(?:[iI][nN][fF]|[nN][aA][nN]"
    r"|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
)
_ITEM = re.compile(
    rf"(?P<blank>_)(?:x(?P<blanks>[0-9]+))?"
    rf"|(?P<value>stale|[+-]?{_NUMBER})(?:(?P<step>[+-]{_NUMBER}))?(?:x(?P<times>[0-9]+))?"
)


class NotationError(ValueError):
    """A series or its values cannot be read; says which part."""


def metric_of(text: str) -> Labels:
    """The labels of `foo{a="b"}`."""
    if re.fullmatch(r"\s*\{\s*\}\s*", text):
        return ()
    try:
        matchers = parse_selector(text)
    except QueryError as error:
        # A selector may not be empty of conditions; a label set of empty values may.
        raise NotationError(f'"{text[:200]}": {error}') from None
    if any(one.op is not MatchOp.EQUAL for one in matchers):
        raise NotationError(f'"{text[:200]}": a series is given by labels with "="')
    names = [one.label for one in matchers]
    if len(set(names)) < len(names):
        raise NotationError(f'"{text[:200]}": a label is given twice')
    return labels_of({one.label: one.value for one in matchers})


def values_of(text: str) -> list[float | None]:
    """The values, None for nothing. Raises `NotationError`."""
    found: list[float | None] = []
    for item in _items(text):
        found.extend(item)
        if len(found) > MOST_VALUES:
            raise NotationError(f"a series of more than {MOST_VALUES:,} values")
    return found


def _items(text: str) -> Iterator[list[float | None]]:
    for word in text.split():
        if "{{" in word:
            raise NotationError(f"native histograms cannot be given here: {word[:80]!r}")
        match = _ITEM.fullmatch(word)
        if match is None or (match["value"] == "stale" and (match["step"] or match["times"])):
            raise NotationError(f"unexpected {word[:80]!r} in series values")
        if match["blank"]:
            yield [None] * _times(match["blanks"] or "1")
            continue
        if match["value"] == "stale":
            yield [STALE]
            continue
        value = _number(match["value"])
        if match["times"] is None:
            if match["step"]:
                raise NotationError(f"unexpected end of {word[:80]!r}, expected x and a number")
            yield [value]
            continue
        step = _number(match["step"]) if match["step"] else 0.0
        values: list[float | None] = []
        for _ in range(_times(match["times"]) + 1):
            values.append(value)
            value += step
        yield values


def _times(text: str) -> int:
    if len(text) > 8 or int(text) > MOST_VALUES:
        raise NotationError(f"a series of more than {MOST_VALUES:,} values")
    return int(text)


def _number(text: str) -> float:
    sign = -1.0 if text[0] == "-" else 1.0
    plain = text.lstrip("+-")
    if plain.lower() in ("inf", "nan"):
        return sign * float(plain)
    return sign * number_of(plain)
