"""Decodes Tempo's answers as strictly as Grafana's plugin: jsonpb refuses unknown fields, and a
64-bit number may be a string of digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Check = Callable[[Any], None]


def text(value: Any) -> None:
    assert isinstance(value, str), value


def uint64(value: Any) -> None:
    assert (isinstance(value, str) and value.isdigit()) or isinstance(value, int), value
    assert 0 <= int(value) < 2**64


def int64(value: Any) -> None:
    assert isinstance(value, str | int), value
    assert not isinstance(value, bool), value
    assert -(2**63) <= int(value) < 2**63


def uint32(value: Any) -> None:
    assert isinstance(value, int), value
    assert 0 <= value < 2**32, value


def double(value: Any) -> None:
    assert isinstance(value, int | float) or value in ("NaN", "Infinity", "-Infinity"), value


def boolean(value: Any) -> None:
    assert isinstance(value, bool), value


def many(check: Check) -> Check:
    def checked(value: Any) -> None:
        assert isinstance(value, list), value
        for one in value:
            check(one)

    return checked


def mapped(check: Check) -> Check:
    def checked(value: Any) -> None:
        for key, one in value.items():
            text(key)
            check(one)

    return checked


def message(**fields: Check) -> Check:
    def checked(value: Any) -> None:
        assert isinstance(value, dict), value
        unknown = value.keys() - fields.keys()
        assert not unknown, f"unknown field {unknown}"
        for name, one in value.items():
            fields[name](one)

    return checked


ANY_VALUE = message(stringValue=text, intValue=int64, doubleValue=double, boolValue=boolean)
KEY_VALUE = message(key=text, value=ANY_VALUE)
SPAN = message(
    spanID=text, name=text, startTimeUnixNano=uint64, durationNanos=uint64,
    attributes=many(KEY_VALUE),
)  # fmt: skip
SPAN_SET = message(spans=many(SPAN), matched=uint32, attributes=many(KEY_VALUE))
TRACE = message(
    traceID=text, rootServiceName=text, rootTraceName=text, startTimeUnixNano=uint64,
    durationMs=uint32, spanSet=SPAN_SET, spanSets=many(SPAN_SET),
    serviceStats=mapped(message(spanCount=uint32, errorCount=uint32)),
)  # fmt: skip
METRICS = message(
    inspectedTraces=uint32, inspectedBytes=uint64, totalBlocks=uint32, completedJobs=uint32,
    totalJobs=uint32, totalBlockBytes=uint64, inspectedSpans=uint64,
)  # fmt: skip
SEARCH = message(traces=many(TRACE), metrics=METRICS)
EXEMPLAR = message(labels=many(KEY_VALUE), value=double, timestampMs=int64)
SAMPLE = message(timestampMs=int64, value=double)
RANGE = message(
    series=many(message(labels=many(KEY_VALUE), samples=many(SAMPLE), exemplars=many(EXEMPLAR))),
    metrics=METRICS,
)
INSTANT = message(series=many(message(labels=many(KEY_VALUE), value=double)), metrics=METRICS)
