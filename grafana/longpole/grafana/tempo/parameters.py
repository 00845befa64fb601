"""Parameters as the Tempo data source writes them: times in seconds, numbers, durations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction

from longpole.analyzer.traceql.refusals import ParseError
from longpole.analyzer.traceql.tokens import nanoseconds
from longpole.model.problem import LongpoleError
from longpole.model.timerange import TimeRange

_SECOND = 10**9
_NUMBER = re.compile(r"\d{1,19}(?:\.\d{1,12})?")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+")
# Above these a number cannot be seconds, or milliseconds, of a time before the year 5000.
_NOT_SECONDS, _NOT_MILLISECONDS = 10**11, 10**14


class BadParameter(LongpoleError):
    """A parameter that does not fit; the message names it."""


def time_range(asked: Mapping[str, str]) -> TimeRange:
    """From `start` up to `end`; whichever is missing does not bound."""
    whole = TimeRange()
    start, end = unix_nano(asked, "start"), unix_nano(asked, "end")
    return TimeRange(
        whole.start_unix_nano if start is None else start,
        whole.end_unix_nano if end is None else end,
    )


def unix_nano(asked: Mapping[str, str], name: str) -> int | None:
    """A time in seconds, also in nanoseconds or as RFC 3339; None when it is missing or 0."""
    text = asked.get(name, "")
    if text in ("", "0"):
        return None
    if _NUMBER.fullmatch(text):
        number = Fraction(text)
        scale = _SECOND if number < _NOT_SECONDS else 10**6 if number < _NOT_MILLISECONDS else 1
        return min(int(number * scale), 2**63 - 1)
    try:
        seconds = Fraction(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        raise BadParameter(f"invalid {name}: must be unix seconds or RFC 3339") from None
    return int(seconds * 1000) * 10**6


def duration_ns(asked: Mapping[str, str], name: str) -> int | None:
    """A duration such as `30s`, or a number of seconds; None when it is missing or 0."""
    text = asked.get(name, "")
    if text in ("", "0", "0s"):
        return None
    if _NUMBER.fullmatch(text):
        return int(Fraction(text) * _SECOND) or None
    if len(text) < 60 and _DURATION.fullmatch(text):
        try:
            return nanoseconds(text, text, 0) or None
        except ParseError:
            pass
    raise BadParameter(f"invalid {name}: must be a duration such as 30s")


def whole_number(asked: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A whole number above 0; 0 and nothing mean the default, too many the most."""
    text = asked.get(name, "")
    if text in ("", "0"):
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadParameter(f"invalid {name}: must be a positive number")
    return min(int(text), most)
