"""Operators between two columns: comparisons, patterns and arithmetic, row by row."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longpole.analyzer.traceql.checking import regex_of
from longpole.analyzer.traceql.columns import Column, Kind, Mask, decimal

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EXACT = (Kind.INT, Kind.DURATION)


def compared(sign: str, left: Column, right: Column) -> Mask:
    """Rows of which the comparison is true. Values of different types satisfy none, `!=`
    included; whole numbers, decimal ones and durations are of one type."""
    compare = _COMPARE[sign]
    both_numbers = left.is_number & right.is_number
    result = np.zeros(len(left), np.bool_)
    if both_numbers.any():
        exact = np.isin(left.kinds, _EXACT) & np.isin(right.kinds, _EXACT)
        result |= both_numbers & exact & compare(left.ints, right.ints)
        result |= both_numbers & ~exact & compare(left.as_floats, right.as_floats)
    for kind in (Kind.BOOL, Kind.STATUS, Kind.SPAN_KIND):
        both = (left.kinds == kind) & (right.kinds == kind)
        if both.any():
            result |= both & compare(left.ints, right.ints)
    both_texts = (left.kinds == Kind.TEXT) & (right.kinds == Kind.TEXT)
    if both_texts.any():
        result |= both_texts & _texts_compared(compare, left, right)
    return result


def matched(sign: str, left: Column, pattern: str) -> Mask:
    """Rows whose text the pattern matches as a whole, or does not match with `!~`."""
    distinct = pa.array([str(text) for text in left.texts], pa.string())
    is_match = np.asarray(pc.match_substring_regex(distinct, regex_of(pattern)), np.bool_)
    is_text = left.kinds == Kind.TEXT
    if not len(is_match):
        return np.zeros(len(left), np.bool_)
    return np.asarray(is_text & (is_match[np.where(is_text, left.codes, 0)] == (sign == "=~")))


def calculated(sign: str, left: Column, right: Column) -> Column:
    """Arithmetic between numbers as floats; nil where either side is none, or the result is not
    finite (a division by nothing)."""
    is_there = left.is_number & right.is_number
    with np.errstate(all="ignore"):
        a, b = left.as_floats, right.as_floats
        match sign:
            case "+":
                result = a + b
            case "-":
                result = a - b
            case "*":
                result = a * b
            case "/":
                result = a / b
            case "%":
                result = np.fmod(a, b)
            case _:
                result = np.power(a, b)
    is_there &= np.isfinite(result)
    return decimal(np.where(is_there, result, 0.0), is_there)


def _texts_compared(compare: Callable[[Any, Any], Any], left: Column, right: Column) -> Mask:
    if len(right.texts) == 1:
        on_each = np.array([compare(text, right.texts[0]) for text in left.texts], np.bool_)
        codes = np.where(left.kinds == Kind.TEXT, left.codes, 0)
        return on_each[codes] if len(on_each) else np.zeros(len(left), np.bool_)
    if len(left.texts) == 1:
        on_each = np.array([compare(left.texts[0], text) for text in right.texts], np.bool_)
        codes = np.where(right.kinds == Kind.TEXT, right.codes, 0)
        return on_each[codes] if len(on_each) else np.zeros(len(left), np.bool_)
    result = np.zeros(len(left), np.bool_)
    rows = np.flatnonzero((left.kinds == Kind.TEXT) & (right.kinds == Kind.TEXT))
    mine, others = left.texts[left.codes[rows]], right.texts[right.codes[rows]]
    result[rows] = np.asarray(compare(mine, others), np.bool_)
    return result
