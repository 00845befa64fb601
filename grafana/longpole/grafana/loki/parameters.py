"""Parameters as the Loki data source writes them: times in nanoseconds, durations, numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction

from longpole.analyzer.logql.tokens import nanoseconds
from longpole.model.problem import LongpoleError

_NUMBER = re.compile(r"\d{1,19}(?:\.\d{1,12})?")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d|w))+")
# A number of up to ten digits is seconds, as in Loki; a longer one is nanoseconds.
_NOT_SECONDS = 10**11
_LAST = 2**63 - 1


class BadParameter(LongpoleError):
    """A parameter that does not fit; the message names it."""


def unix_nano(asked: Mapping[str, str], name: str) -> int | None:
    """A time in nanoseconds, in seconds, or as RFC 3339; None when it is missing."""
    text = asked.get(name, "")
    if not text:
        return None
    if _NUMBER.fullmatch(text):
        number = Fraction(text)
        return min(int(number * 10**9 if number < _NOT_SECONDS else number), _LAST)
    try:
        seconds = Fraction(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        raise BadParameter(f"could not parse '{name}': must be nanoseconds or RFC 3339") from None
    return int(seconds * 10**6) * 10**3


def duration_ns(asked: Mapping[str, str], name: str) -> int | None:
    """A duration such as `15000ms`, or a number of seconds; None when it is missing."""
    text = asked.get(name, "")
    if not text:
        return None
    if _NUMBER.fullmatch(text):
        found = int(Fraction(text) * 10**9)
    elif len(text) < 60 and _DURATION.fullmatch(text):
        found = nanoseconds(text)
    else:
        raise BadParameter(f"could not parse '{name}': must be a duration such as 15s")
    if not 0 < found <= _LAST:
        raise BadParameter(f"'{name}' must be above 0")
    return found


def whole_number(asked: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A whole number above 0; 0 and nothing mean the default, too many the most."""
    text = asked.get(name, "")
    if text in ("", "0"):
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadParameter(f"could not parse '{name}': must be a positive number")
    return min(int(text), most)
