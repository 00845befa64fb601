"""Parameters of Jaeger's search to the question that storage takes.

Times are microseconds, durations Go's (`1.2ms`), values of tags always text (jaeger,
cmd/query/app/query_parser.go).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

import orjson

from longpole.formats.foreign import KIND_TAGS, STATUS_TAGS
from longpole.model.problem import LongpoleError
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.timerange import TimeRange

DEFAULT_TRACES = 100
MOST_TRACES = 1_500
MOST_TAGS = 100
_DAY_US = 86_400 * 10**6
_INT64 = 2**63
_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9,
       "h": 3600 * 10**9}  # fmt: skip
_PART = re.compile(r"(\d{1,18}(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_TRUTH = {"true": True, "false": False}


class BadParameter(LongpoleError):
    """A parameter that does not fit; the message names it."""


class Fields(Protocol):
    """A query string."""

    def get(self, key: str, default: str, /) -> str: ...

    def getlist(self, key: str, /) -> list[str]: ...


def trace_query(asked: Fields, key_types: Mapping[str, str], now_us: int) -> TraceQuery:
    """The traces that a search asks for. `key_types` tell the SQL type of each attribute key.
    Raises `BadParameter`."""
    service = asked.get("service", "")
    if not service:
        raise BadParameter("parameter 'service' is required")
    conditions = [Condition(Field.SERVICE, Comparison.EQ, service)]
    if operation := asked.get("operation", ""):
        conditions.append(Condition(Field.NAME, Comparison.EQ, operation))
    for name, comparison in (("minDuration", Comparison.GE), ("maxDuration", Comparison.LE)):
        if text := asked.get(name, ""):
            conditions.append(Condition(Field.DURATION, comparison, duration_ns(name, text)))
    for key, value in _tags(asked).items():
        conditions.append(of_tag(key, value, key_types))
    limit = whole(asked, "limit", DEFAULT_TRACES)
    if not 1 <= limit <= MOST_TRACES:
        raise BadParameter(f"parameter 'limit' is from 1 to {MOST_TRACES:,}")
    return TraceQuery(tuple(conditions), time_range(asked, now_us), limit)


def time_range(asked: Fields, now_us: int) -> TimeRange:
    """`start` and `end` in microseconds; the last day when they are left out."""
    end = whole(asked, "end", now_us)
    start = whole(asked, "start", end - _DAY_US)
    # Jaeger's end belongs to the range.
    return TimeRange(_bounded(start * 1000), _bounded((end + 1) * 1000))


def whole(asked: Fields, name: str, default: int) -> int:
    """An integer. Raises `BadParameter`."""
    text = asked.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        raise BadParameter(f"unable to parse param '{name}': {text[:80]!r} is no integer")
    return int(text)


def duration_ns(name: str, text: str) -> int:
    """Nanoseconds of `1.2ms` or `1h30m`. Raises `BadParameter`."""
    at, total = 0, 0.0
    while at < len(text) and (match := _PART.match(text, at)):
        total += float(match[1]) * _NS[match[2]]
        at = match.end()
    if not text or at < len(text) or total >= _INT64:
        raise BadParameter(f"unable to parse param '{name}': {text[:80]!r} is no duration")
    return round(total)


def _tags(asked: Fields) -> dict[str, str]:
    """`tags={"k":"v"}` and `tag=k:v`, each any number of times."""
    found: dict[str, str] = {}
    for text in asked.getlist("tag"):
        key, colon, value = text.partition(":")
        if not colon:
            raise BadParameter("malformed 'tag' parameter, expecting key:value, received: "
                               f"{text[:80]}")  # fmt: skip
        found[key] = value
    for text in asked.getlist("tags"):
        try:
            tree = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise BadParameter(
                f"malformed 'tags' parameter, cannot unmarshal JSON: {error}"
            ) from None
        if not isinstance(tree, dict) or not all(isinstance(v, str) for v in tree.values()):
            raise BadParameter(
                "malformed 'tags' parameter, cannot unmarshal JSON: expecting an object of strings"
            )
        found.update(tree)
    if len(found) > MOST_TAGS:
        raise BadParameter(f"more than {MOST_TAGS} tags")
    return found


def of_tag(key: str, value: str, key_types: Mapping[str, str]) -> Condition:
    """Kind and status are tags in Jaeger and fields here; a text is compared with attributes of
    whatever type their key has."""
    if key == "error" and value in _TRUTH:
        comparison = Comparison.EQ if _TRUTH[value] else Comparison.NE
        return Condition(Field.STATUS, comparison, int(STATUS_TAGS["ERROR"]))
    if key == "span.kind" and value in KIND_TAGS:
        return Condition(Field.KIND, Comparison.EQ, int(KIND_TAGS[value]))
    if key == "otel.status_code" and value in STATUS_TAGS:
        return Condition(Field.STATUS, Comparison.EQ, int(STATUS_TAGS[value]))
    if key == "otel.status_description":
        return Condition(Field.STATUS_MESSAGE, Comparison.EQ, value)
    return Condition(Field.ANY_ATTRIBUTE, Comparison.EQ, _typed(value, key_types.get(key, "")), key)


def _typed(value: str, sql_type: str) -> str | int | float | bool:
    if sql_type == "BOOLEAN" and value in _TRUTH:
        return _TRUTH[value]
    if sql_type == "BIGINT" and re.fullmatch(r"-?\d{1,18}", value, re.ASCII):
        return int(value)
    if sql_type == "DOUBLE":
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _bounded(ns: int) -> int:
    return min(max(ns, -_INT64), _INT64 - 1)
