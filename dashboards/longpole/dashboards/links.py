"""Addresses of pages, so that whatever a page shows leads on to what is behind it.

Names of telemetry are percent-encoded; each address begins with a path of ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from longpole.analyzer.traceql import format_query
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.span import StatusCode
from longpole.model.timerange import TimeRange

Parameters = Mapping[str, Sequence[str]]
# Stands for a service whose name no path can hold; the parameter `service` has the name then.
BY_PARAMETER = "~"
# Browsers take `..` and `.` out of a path in any spelling, proxies and servers may decode `%2F`
# too early, and routes end at a line break.
_FITS_A_PATH = re.compile(r"[^/\\\x00-\x1f\x7f\x85\u2028\u2029]+")


def service_address(service: str, time: Parameters, page: str = "") -> str:
    """The page of a service, or one below it."""
    return _of_service(service, page, time)


def operation_address(service: str, operation: str, time: Parameters, part: str = "") -> str:
    """The page of an operation, or a part of it."""
    below = f"op/{part}" if part else "op"
    return _of_service(service, below, {"name": [operation], **time})


def _of_service(service: str, below: str, parameters: Parameters) -> str:
    is_plain = _FITS_A_PATH.fullmatch(service) and service not in (".", "..", BY_PARAMETER)
    path = f"/services/{quote(service, safe='') if is_plain else BY_PARAMETER}"
    named = {} if is_plain else {"service": [service]}
    return _with(f"{path}/{below}" if below else path, {**named, **parameters})


def compare_address(service: str, operation: str, than_ns: int | None, time: Parameters) -> str:
    """Quicker runs of an operation against slower ones; empty without a bound."""
    if than_ns is None:
        return ""
    sides = {
        "base_q": [traces_query(service, operation, to_ns=than_ns)],
        "head_q": [traces_query(service, operation, from_ns=than_ns)],
    }
    return _with("/compare", {**sides, **time})


def traces_address(
    time: Parameters, service: str, operation: str | None = None, *,
    from_ns: int | None = None, to_ns: int | None = None, only_errors: bool = False,
) -> str:  # fmt: skip
    """Traces that `traces_query` finds."""
    query = traces_query(service, operation, from_ns=from_ns, to_ns=to_ns, only_errors=only_errors)
    return _with("/traces", {"q": [query], **time})


def traces_query(
    service: str, operation: str | None = None, *,
    from_ns: int | None = None, to_ns: int | None = None, only_errors: bool = False,
) -> str:  # fmt: skip
    """TraceQL for traces with a span of that service (and operation) that took longer than
    `from_ns` and at most `to_ns`."""
    conditions = [Condition(Field.SERVICE, Comparison.EQ, service)]
    if operation is not None:
        conditions.append(Condition(Field.NAME, Comparison.EQ, operation))
    if from_ns is not None:
        conditions.append(Condition(Field.DURATION, Comparison.GT, from_ns))
    if to_ns is not None:
        conditions.append(Condition(Field.DURATION, Comparison.LE, to_ns))
    if only_errors:
        conditions.append(Condition(Field.STATUS, Comparison.EQ, int(StatusCode.ERROR)))
    return format_query(TraceQuery(tuple(conditions)))


def typed_errors_address(time: Parameters, service: str, key: str, text: str) -> str:
    """Traces in which a span of that service failed with that text in the attribute `key` (or
    as its `statusMessage`); empty without a key."""
    if not key:
        return ""
    if key == Field.STATUS_MESSAGE.value:
        said = Condition(Field.STATUS_MESSAGE, Comparison.EQ, text)
    else:
        # Status codes are numbers; `error.type` is text even where it says `500`.
        is_code = not key.endswith(".type") and text.isascii() and text.isdigit()
        value: str | int = int(text) if is_code else text
        said = Condition(Field.ANY_ATTRIBUTE, Comparison.EQ, value, key)
    conditions = (
        Condition(Field.SERVICE, Comparison.EQ, service),
        Condition(Field.STATUS, Comparison.EQ, int(StatusCode.ERROR)),
        said,
    )
    return _with("/traces", {"q": [format_query(TraceQuery(conditions))], **time})


def between(time: TimeRange) -> dict[str, list[str]]:
    """A time as parameters, to the nanosecond."""
    return {"from": [str(time.start_unix_nano)], "to": [str(time.end_unix_nano)]}


def _with(path: str, parameters: Parameters) -> str:
    query = urlencode([(name, value) for name, values in parameters.items() for value in values])
    return f"{path}?{query}" if query else path
