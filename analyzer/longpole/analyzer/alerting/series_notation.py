"""The notation of series in rule tests: `foo{a="b"}` with values `0+10x5 _ stale 1x3`.

a        one value               a+bxN   a, then N more, each b above the one before
axN      a, then N more of it    a-bxN   the same, below
_  _xN   nothing, N times        stale   the end of the series

In place of a number a native histogram may stand, see `histogram_notation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from longpole.analyzer.alerting.group_evaluation import STALE
from longpole.analyzer.alerting.histogram_notation import histogram_of
from longpole.analyzer.promql.expressions import MatchOp
from longpole.analyzer.promql.histograms import Histogram, combined
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
    rf"|(?P<first>\{{\{{[^}}]*\}}\}})"
    rf"(?:(?P<sign>[+-])(?P<more>\{{\{{[^}}]*\}}\}}))?(?:x(?P<again>[0-9]+))?"
)
_WORD = re.compile(r"(?:\{\{[^}]*\}\}|\S)+")
Noted: TypeAlias = float | Histogram | None


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


def values_of(text: str) -> list[Noted]:
    """The values, None for nothing. Raises `NotationError`."""
    found: list[Noted] = []
    for item in _items(text):
        found.extend(item)
        if len(found) > MOST_VALUES:
            raise NotationError(f"a series of more than {MOST_VALUES:,} values")
    return found


def histogram_in(text: str) -> Histogram:
    """A single native histogram. Raises `NotationError`."""
    found = values_of(text)
    if len(found) != 1 or not isinstance(found[0], Histogram):
        raise NotationError(f"{text[:80]!r} is no native histogram")
    return found[0]


def _items(text: str) -> Iterator[list[Noted]]:
    for word in _WORD.findall(text):
        match = _ITEM.fullmatch(word)
        if match is None or (match["value"] == "stale" and (match["step"] or match["times"])):
            raise NotationError(f"unexpected {word[:80]!r} in series values")
        if match["first"]:
            yield _histograms(match)
            continue
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
        values: list[Noted] = []
        for _ in range(_times(match["times"]) + 1):
            values.append(value)
            value += step
        yield values


def _histograms(match: re.Match[str]) -> list[Noted]:
    try:
        value = histogram_of(match["first"], _number)
        more = histogram_of(match["more"], _number) if match["more"] else None
    except ValueError as error:
        raise NotationError(str(error)) from None
    if match["again"] is None:
        if more is not None:
            raise NotationError(f"unexpected end of {match[0][:80]!r}, expected x and a number")
        return [value]
    values: list[Noted] = [value]
    factor = -1.0 if match["sign"] == "-" else 1.0
    for _ in range(_times(match["again"])):
        if more is not None:
            value = combined([(1.0, value), (factor, more)])
        values.append(value)
    return values


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
