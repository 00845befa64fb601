"""Telemetry that wants to be markup, code, another direction of writing, or the whole screen.

Every text that a sender chooses is one of HOSTILE, in every field that a page might show.
"""

from __future__ import annotations

from longpole.model.log import LogRecord
from longpole.model.span import AttributeValue, Resource, Scope, Span, SpanEvent, SpanLink
from tests.browser.shop_stories import MS, NOW, Told

HOSTILE = (
    "<img src=x onerror=\"window.pwned='img'\">",
    "\"'><script>window.pwned='script'</script>",
    "javascript:window.pwned='url'//",
    "</title></script></textarea><svg onload=window.pwned='svg'>",
    "{{ 7 * 7 }}${7*7}<%= 7*7 %>",
    "\u202emoc.elgoog\u202c \u2066isolate \u200b\u0000\u0007 zero",
    "שלום עולם مرحبا بالعالم",
    "👩‍👩‍👧‍👦🏴‍☠️" * 4,
    "W" * 5_000,
    "slash/../../etc/passwd?x=1&y=%00#frag ment+plus;semi,comma",
)
_SECOND = 1_000 * MS
_TRACE_ID = 0xDEADBEEF00000000000000000000F00D


def _spans() -> list[Span]:
    """A root with one child of each text, the slowest one the first; every second one fails."""
    begin = NOW - 60 * _SECOND
    spans = [_span(1, 0, HOSTILE[0], begin, begin + 3 * _SECOND)]
    for place, text in enumerate(HOSTILE):
        start = begin + place * 250 * MS
        spans.append(_span(place + 2, 1, text, start, start + 240 * MS))
        for repeat in range(6):
            # An N+1 whose query is hostile, too: findings quote it.
            at = start + repeat * 30 * MS
            query: dict[str, AttributeValue] = {
                "db.system.name": text, "db.query.text": f"SELECT {text} FROM t WHERE a = {repeat}",
            }  # fmt: skip
            spans.append(
                _span(100 + place * 10 + repeat, place + 2, text, at, at + 28 * MS, 3, query)
            )
    return spans


def _span(
    span_id: int, parent: int, text: str, begin: int, end: int, kind: int = 2,
    attributes: dict[str, AttributeValue] | None = None,
) -> Span:  # fmt: skip
    kept: dict[str, AttributeValue] = {
        text: text, "url.full": text, "server.address": text, "list": [text, text],
        "map": {text: text}, "exception.stacktrace": text, **(attributes or {}),
    }  # fmt: skip
    event: dict[str, AttributeValue] = {
        "exception.type": text, "exception.message": text, "exception.stacktrace": text,
    }  # fmt: skip
    resource: dict[str, AttributeValue] = {
        "service.name": text, "service.version": text, "host.name": text,
        "deployment.environment.name": text, text: text,
    }  # fmt: skip
    failed = span_id % 2 == 0
    return Span(
        _TRACE_ID, span_id, parent, text, kind, begin, end, text, 2 if failed else 0,
        text if failed else "", kept,
        (SpanEvent(begin + MS, "exception", event), SpanEvent(begin + 2 * MS, text)),
        (SpanLink(0xABC, 0xDEF, text, kept),), f"a={text}",
        resource=Resource(resource, schema_url=text), scope=Scope(text, text, {text: text}),
    )  # fmt: skip


HOSTILE_TRACE = Told("hostile", _TRACE_ID, tuple(_spans()), HOSTILE[0], HOSTILE[0])


def hostile_logs() -> list[LogRecord]:
    """One log line of each text, a third of them structured."""
    records = []
    for place, text in enumerate(HOSTILE):
        span = HOSTILE_TRACE.spans[1 + place * 7]
        records.append(
            LogRecord(
                span.start_unix_nano, span.start_unix_nano, _TRACE_ID, span.span_id,
                9 + 4 * (place % 3), text, {text: text} if place % 3 == 2 else text, text,
                text, {text: text}, resource=span.resource, scope=span.scope,
            )
        )  # fmt: skip
    return records
