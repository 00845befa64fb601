"""Details of one span as a piece of HTML, which the viewer of a trace puts beside its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from longpole.analyzer.reports.span_report import span_report
from longpole.analyzer.reports.trace_report import plain_value
from longpole.dashboards import parameters
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked
from longpole.dashboards.errors import BadQuestion, TraceHasChanged
from longpole.dashboards.inert_text import inert
from longpole.dashboards.pages.rendering import page
from longpole.dashboards.sql_rows import encoded
from longpole.dashboards.trace_questions import viewed, viewed_span
from longpole.dashboards.trace_views import KeptView
from longpole.model.span import Attributes

MOST_ROWS = 1 << 40
LONGEST_VALUE = 20_000  # characters of a value, a message or a stack trace; the JSON has all
_STACK = "exception.stacktrace"
_EXCEPTION = ("exception.type", "exception.message")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One row of a table: the value as text, cut when it is endless, and its type."""

    key: str
    value: str
    type: str
    is_long: bool


def routes(answers: Answers) -> APIRouter:
    """Routes of the panel, by span id and by row."""
    router = APIRouter()

    @router.get("/traces/{trace_id}/spans/{span_id}/panel")
    def by_id(trace_id: str, span_id: str, request: Request) -> Response:
        kept, row = viewed_span(answers, trace_id, span_id, asked(request))
        return _panel(answers, request, kept, row)

    @router.get("/traces/{trace_id}/rows/{row}/panel")
    def by_row(trace_id: str, row: int, request: Request) -> Response:
        given = dict(asked(request))
        # The viewer counts rows in the columns that it holds; spans may have come since.
        counted = parameters.first(given, "rows")
        given.pop("rows", None)
        kept, _ = viewed(answers, trace_id, given)
        size = int(kept.columns.span_ids.size)
        if counted and parameters.whole(counted, "rows", 0, MOST_ROWS) != size:
            raise TraceHasChanged(kept.view.summary["trace_id"], int(counted), size)
        if not 0 <= row < size:
            raise BadQuestion(f"row: the trace has {size} rows")
        return _panel(answers, request, kept, row)

    return router


def _panel(answers: Answers, request: Request, kept: KeptView, row: int) -> Response:
    values = panel_values(answers, kept, row)
    if values is None:
        raise BadQuestion("the span has expired")
    return page(request, "parts/span_panel.html", panel=values)


def panel_values(answers: Answers, kept: KeptView, row: int) -> dict[str, Any] | None:
    """What the template of the panel needs; None for a span that has expired."""
    return kept.lately(row, answers.clock, lambda: _values(answers, kept, row))


def _values(answers: Answers, kept: KeptView, row: int) -> dict[str, Any] | None:
    found = span_report(answers.store, kept.view, row)
    if found is None:
        return None
    span, document = found.span, found.document
    trace = quote(document["trace_id"])
    return {
        "span": document,
        "attributes": attributes_of(span.attributes),
        "resource": attributes_of(span.resource.attributes),
        "scope": attributes_of(span.scope.attributes),
        "events": [
            {
                "name": event.name,
                "after_ns": told["time_unix_nano"] - document["start_unix_nano"],
                "is_exception": event.name == "exception",
                "exception": [
                    str(event.attributes[key])[:LONGEST_VALUE]
                    for key in _EXCEPTION
                    if event.attributes.get(key)
                ],
                "stack": inert(
                    str(event.attributes.get(_STACK, ""))[:LONGEST_VALUE], keep_newlines=True
                ),
                "attributes": attributes_of(
                    {k: v for k, v in event.attributes.items() if k not in (_STACK, *_EXCEPTION)}
                ),
            }
            for event, told in zip(span.events, document["events"], strict=True)
        ],
        "links": document["links"],
        "json": f"/api/v1/traces/{trace}/spans/{quote(document['span_id'])}"
        + (f"?row={row}" if document["spans_of_id"] > 1 else ""),
    }


def attributes_of(attributes: Attributes) -> list[Attribute]:
    """Rows of a table, by key."""
    return [_attribute(key, value) for key, value in sorted(attributes.items())]


def _attribute(key: str, value: object) -> Attribute:
    kinds = ((bool, "bool"), (int, "int"), (float, "double"), (str, "string"), (bytes, "bytes"))
    kind = next((name for held, name in kinds if isinstance(value, held)), "")
    if isinstance(value, str):
        text = value
    elif isinstance(value, bytes):
        text = value.hex()
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif kind:
        text = str(value)
    elif value is None:
        text, kind = "", "empty"
    else:
        kind = "map" if isinstance(value, Mapping) else "list"
        text = _json(value)
    shown = inert(text[:LONGEST_VALUE], keep_newlines=True)
    return Attribute(key, shown, kind, len(text) > LONGEST_VALUE)


def _json(value: Any) -> str:
    return encoded(plain_value(value)).decode()
