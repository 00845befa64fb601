"""The OpenAPI document: which parameters each question takes, from the sets that refuse others, and
what it answers (`response_schemas`).

Handlers hand the whole query string to `answers`, which refuses what it does not know; so nothing
in their signatures says what they take, and this table does. A test compares both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI

from longpole.dashboards import response_schemas, search_parameters, two_sides, two_traces
from longpole.dashboards.log_parameters import LOG_FILTERS
from longpole.dashboards.parameters import BASELINE, FILTERS, PATH_OPTIONS
from longpole.dashboards.time_window import TIME_PARAMETERS

_ALL_MATCHING = (FILTERS - {"limit"}) | PATH_OPTIONS
TAKEN: Mapping[str, frozenset[str]] = {
    "/traces": FILTERS,
    "/search": search_parameters.SEARCH | search_parameters.OWN,
    "/completion": TIME_PARAMETERS | {"q", "at"},
    "/traces/{trace_id}": PATH_OPTIONS | {"spans", "context", "causal", "end"},
    "/traces/{trace_id}/verdict": PATH_OPTIONS,
    "/traces/{trace_id}/export": frozenset({"format", "fmt"}),
    "/critical-path": _ALL_MATCHING | {"group_by", "explain", "tree"},
    "/findings": _ALL_MATCHING | {"all"},
    "/gaps": _ALL_MATCHING,
    "/root-cause": _ALL_MATCHING | BASELINE,
    "/what-if": FILTERS | PATH_OPTIONS | {"change"},
    "/logs": LOG_FILTERS | {"limit", "reverse"},
    "/logs/levels": LOG_FILTERS,
    "/logs/patterns": LOG_FILTERS | {"baseline"},
    "/compare": two_sides.SHARED | two_sides.OF_SIDES | two_sides.OWN | PATH_OPTIONS,
    "/compare/traces": two_traces.SIDES | PATH_OPTIONS,
    "/map": _ALL_MATCHING | {"focus"},
    "/services": TIME_PARAMETERS,
    "/overview": TIME_PARAMETERS,
    "/services/{service}": TIME_PARAMETERS,
    "/services/{service}/operation": TIME_PARAMETERS | {"name"},
    "/services/{service}/verdict": TIME_PARAMETERS | PATH_OPTIONS,
    "/alerts": frozenset(),
    "/attribute-keys": frozenset(),
    "/export": FILTERS | {"signal", "format"},
}
# Those that stand for themselves in every question; docs/json.md has the others.
_MEANINGS = {
    "q": 'TraceQL: a span set such as { resource.service.name = "cart" && duration > 1s }',
    "service": "spans of this service.name; may be given several times",
    "operation": "spans of this name",
    "min_duration": "at least this long: 1.5s, 200ms, 10us",
    "max_duration": "at most this long",
    "error": "1: only with a failed span",
    "attr": "key=value of a span or resource attribute; may be given several times",
    "trace": "a trace id, 16 or 32 hexadecimal digits",
    "since": "the time before now: 15m, 1h, 7d",
    "from": "begin of the time: RFC 3339, Unix time, now or now-12h",
    "to": "end of the time, in the same forms",
    "limit": "at most so many",
    "overflow": "what becomes of children that outlive their parent: clip, detach or extend",
    "format": "otlp (otlp-json), otlp-protobuf, jaeger, zipkin, chrome or speedscope",
    "fmt": "another name of format",
}


def describe(app: FastAPI) -> None:
    """Let the document of `app` name the parameters and the answers of every question."""
    plain: Callable[[], dict[str, Any]] = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = plain()
            for path, names in TAKEN.items():
                # A converter stands in the route, not in the document.
                question = made["paths"].get(f"/api/v1{path}")
                if question is not None:
                    # The name of a service that no path can hold (`links`).
                    by_name = {"service"} if "{service}" in path else frozenset()
                    question["get"].setdefault("parameters", []).extend(
                        map(_parameter, sorted(names | by_name))
                    )
            _name_answers(made)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _name_answers(made: dict[str, Any]) -> None:
    for address, ways in made["paths"].items():
        response = response_schemas.response(address.removeprefix("/api/v1"))
        for question in ways.values():
            # What FastAPI says of 422 never happens: what does not fit is a 400 of our own.
            question["responses"] = {
                "200": response or question["responses"]["200"],
                "default": response_schemas.refusal(),
            }
    held = made.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        held.pop(name, None)
    held.update(response_schemas.schemas())


def _parameter(name: str) -> dict[str, Any]:
    one: dict[str, Any] = {"name": name, "in": "query", "schema": {"type": "string"}}
    if name in _MEANINGS:
        one["description"] = _MEANINGS[name]
    return one
