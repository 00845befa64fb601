"""Addresses of pages, so that whatever a page shows leads on to what is behind it.

Names of telemetry are percent-encoded; each address begins with a path of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from longpole.analyzer.traceql import format_query
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.span import StatusCode
from longpole.model.timerange import TimeRange

Parameters = Mapping[str, Sequence[str]]


def service_address(service: str, time: Parameters, page: str = "") -> str:
    """The page of a service, or one below it."""
    path = f"/services/{quote(service, safe='')}"
    return _with(f"{path}/{page}" if page else path, time)


def operation_address(service: str, operation: str, time: Parameters) -> str:
    """The page of an operation."""
    return _with(f"/services/{quote(service, safe='')}/op", {"name": [operation], **time})


def traces_address(
    time: Parameters, service: str, operation: str | None = None, *,
    from_ns: int | None = None, to_ns: int | None = None, only_errors: bool = False,
) -> str:  # fmt: skip
    """Traces with a span of that service (and operation) that took longer than `from_ns` and at
    most `to_ns`."""
    conditions = [Condition(Field.SERVICE, Comparison.EQ, service)]
    if operation is not None:
        conditions.append(Condition(Field.NAME, Comparison.EQ, operation))
    if from_ns is not None:
        conditions.append(Condition(Field.DURATION, Comparison.GT, from_ns))
    if to_ns is not None:
        conditions.append(Condition(Field.DURATION, Comparison.LE, to_ns))
    if only_errors:
        conditions.append(Condition(Field.STATUS, Comparison.EQ, int(StatusCode.ERROR)))
    return _with("/traces", {"q": [format_query(TraceQuery(tuple(conditions)))], **time})


def between(time: TimeRange) -> dict[str, list[str]]:
    """A time as parameters, to the nanosecond."""
    return {"from": [str(time.start_unix_nano)], "to": [str(time.end_unix_nano)]}


def _with(path: str, parameters: Parameters) -> str:
    query = urlencode([(name, value) for name, values in parameters.items() for value in values])
    return f"{path}?{query}" if query else path
