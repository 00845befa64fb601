"""What Jaeger's and Zipkin's JSON have in common on their way to and from spans."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from longpole.formats import any_value
from longpole.formats.json_fields import FieldFault, integer
from longpole.formats.rows import telemetry_of_spans
from longpole.formats.tally import Tally
from longpole.model.problem import Problem
from longpole.model.span import AttributeValue, Span, SpanKind, StatusCode
from longpole.model.telemetry import Telemetry

KIND_TAGS = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
STATUS_TAGS = {"OK": StatusCode.OK, "ERROR": StatusCode.ERROR}
_MICROSECONDS = (-(2**53), 2**53)


def hex_number(content: object, digits: int) -> int:
    """An id of up to `digits` hex digits (leading zeros are left out by some clients); 0,
    which no record may have, for anything else."""
    if not isinstance(content, str) or not 0 < len(content) <= digits or not content.isalnum():
        return 0
    try:
        return int(content, 16)
    except ValueError:
        return 0


def nanoseconds(content: object, field: str) -> int:
    """Nanoseconds of a number of microseconds, which may have a fraction; absent is 0."""
    if content is None:
        return 0
    try:
        if isinstance(content, float):
            return int(integer(float(round(content * 1000)), (-(2**63), 2**63 - 1)))
        return integer(content, _MICROSECONDS) * 1000
    except (FieldFault, OverflowError):
        raise FieldFault("a number of microseconds", content).under(f".{field}") from None


def text(content: object, field: str) -> str:
    """A string; absent is empty."""
    if content is None:
        return ""
    if not isinstance(content, str):
        raise FieldFault("a string", content).under(f".{field}")
    return content


def items(content: object, field: str) -> list[Any]:
    """An array; absent is empty."""
    if content is None:
        return []
    if not isinstance(content, list):
        raise FieldFault("an array", content).under(f".{field}")
    return content


def fields(content: object, field: str = "") -> Mapping[str, Any]:
    """An object; absent is empty."""
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise FieldFault("an object", content).under(f".{field}" if field else "")
    return content


def telemetry_of(records: Iterable[tuple[str, Callable[[], Span]]]) -> Telemetry:
    """Telemetry of records that are read one by one, each named by its path; one with an
    unusable field is counted and left out."""
    tally = Tally()
    spans: list[Span] = []
    for path, read in records:
        try:
            spans.append(read())
        except FieldFault as fault:
            fault.under(path)
            tally.reject("malformed_record", f"A record cannot be read and is not kept: {fault}.")
    telemetry = telemetry_of_spans(spans)
    problems: tuple[Problem, ...] = tally.problems() + telemetry.problems
    return replace(telemetry, rejected=telemetry.rejected + tally.rejected, problems=problems)


def plain_text(value: AttributeValue) -> str:
    """A value where only strings can stand: booleans and numbers as JSON writes them, arrays
    and maps as plain JSON, bytes as base64."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return any_value.json_double(value).strip('"')
    return orjson.dumps(_plain(value), option=orjson.OPT_NON_STR_KEYS).decode().strip('"')


def _plain(value: AttributeValue) -> Any:
    if isinstance(value, bytes):
        return any_value.base64_text(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def microseconds(nanos: int) -> int:
    """Whole microseconds, rounded down."""
    return nanos // 1000
