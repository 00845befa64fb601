"""The HTTP dialect of Tempo, mounted under one prefix; every error is plain text, never HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from longpole.analyzer.traceql.incomplete import as_far_as_it_goes
from longpole.analyzer.traceql.measuring import MeasureSettings, measure
from longpole.analyzer.traceql.parsing import parse
from longpole.analyzer.traceql.refusals import TooMuch, TraceQLError
from longpole.analyzer.traceql.searching import SearchSettings, search
from longpole.analyzer.traceql.series import Series
from longpole.analyzer.traceql.steps import (
    Steps,
    default_step_ns,
    instant_steps,
    range_steps,
)
from longpole.analyzer.traceql.tag_values import field_named, tag_names, tag_values
from longpole.grafana.presence import Stopwatch, stopwatch
from longpole.grafana.tempo.metrics_answer import instant_answer, range_answer
from longpole.grafana.tempo.parameters import (
    BadParameter,
    duration_ns,
    time_range,
    unix_nano,
    whole_number,
)
from longpole.grafana.tempo.search_answer import search_answer
from longpole.grafana.tempo.trace_by_id import PROTOBUF, trace_json, trace_message, v2_message
from longpole.grafana.threads import Endpoint, Threads, http_error
from longpole.model.clock import Clock
from longpole.model.ids import InvalidId
from longpole.storage import ports

_HOUR_NS = 3_600 * 10**9
MOST_TRACES, MOST_SPANS, MOST_VALUES = 5_000, 10_000, 10_000
STATUSES = ((TooMuch, 422),)


@dataclass(frozen=True, slots=True)
class TempoSettings:
    """`version` is told to whoever asks; `search` and `measure` bound one query."""

    version: str = ""
    search: SearchSettings = SearchSettings()
    measure: MeasureSettings = MeasureSettings()


def create_tempo_app(
    store: ports.TraceReader,
    clock: Clock,
    settings: TempoSettings = TempoSettings(),
    started: Stopwatch = stopwatch,
) -> Starlette:
    """The application for one store. Its functions block, so they run in threads."""
    dialect = _Tempo(store, clock, settings, started)
    routes = [
        ("/api/echo", dialect.echo),
        ("/ready", dialect.ready),
        ("/api/status/buildinfo", dialect.build_info),
        ("/api/v2/traces/{trace_id}", dialect.trace_v2),
        ("/api/traces/{trace_id}", dialect.trace_v1),
        ("/api/search", dialect.search),
        ("/api/metrics/query_range", dialect.query_range),
        ("/api/metrics/query", dialect.query),
        ("/api/v2/search/tags", dialect.tags_v2),
        ("/api/search/tags", dialect.tags_v1),
        ("/api/v2/search/tag/{tag:path}/values", dialect.values_v2),
        ("/api/search/tag/{tag:path}/values", dialect.values_v1),
    ]
    threads = Threads(statuses=STATUSES)
    return Starlette(
        routes=[
            Route(path, threads.run(_in_its_words(endpoint)), methods=["GET"])
            for path, endpoint in routes
        ],
        exception_handlers={HTTPException: http_error},
    )


@dataclass(frozen=True, slots=True)
class _Tempo:
    store: ports.TraceReader
    clock: Clock
    settings: TempoSettings
    started: Stopwatch

    def echo(self, request: Request) -> Response:
        return PlainTextResponse("echo")

    def ready(self, request: Request) -> Response:
        return PlainTextResponse("ready\n")

    def build_info(self, request: Request) -> Response:
        return answer({"version": self.settings.version, "revision": "", "branch": ""})

    def trace_v2(self, request: Request) -> Response:
        trace = trace_message(self.store, request.path_params["trace_id"])
        if _wants_protobuf(request):
            return Response(v2_message(trace), media_type=PROTOBUF)
        return answer({"trace": trace_json(trace), "metrics": {}})

    def trace_v1(self, request: Request) -> Response:
        trace = trace_message(self.store, request.path_params["trace_id"])
        if not trace:
            return PlainTextResponse("trace not found", 404)
        if _wants_protobuf(request):
            return Response(trace, media_type=PROTOBUF)
        return answer({"batches": trace_json(trace).get("resourceSpans", [])})

    def search(self, request: Request) -> Response:
        asked = request.query_params
        limits = self.settings.search
        bounded = SearchSettings(
            whole_number(asked, "limit", limits.traces, MOST_TRACES),
            whole_number(asked, "spss", limits.spans, MOST_SPANS),
            limits.candidates,
            limits.seconds,
        )
        query = parse(asked.get("q", ""))
        found = search(self.store, query, time_range(asked), self.started(), bounded)
        return answer(search_answer(found))

    def query_range(self, request: Request) -> Response:
        asked = request.query_params
        start, end = self._window(asked)
        step = duration_ns(asked, "step") or default_step_ns(start, end)
        steps = range_steps(start, end, step)
        return answer(range_answer(self._measured(asked, steps), steps))

    def query(self, request: Request) -> Response:
        asked = request.query_params
        steps = instant_steps(*self._window(asked))
        return answer(instant_answer(self._measured(asked, steps)))

    def _window(self, asked: Mapping[str, str]) -> tuple[int, int]:
        """From when to when in nanoseconds; the last hour unless told otherwise."""
        end = unix_nano(asked, "end") or self.clock.now_unix_nano()
        start = unix_nano(asked, "start") or end - (duration_ns(asked, "since") or _HOUR_NS)
        if start >= end:
            raise BadParameter("invalid start: must be before end")
        return start, end

    def _measured(self, asked: Mapping[str, str], steps: Steps) -> list[Series]:
        limits = self.settings.measure
        exemplars = whole_number(asked, "exemplars", limits.exemplars, limits.exemplars)
        bounded = MeasureSettings(limits.traces, limits.seconds, exemplars)
        query = parse(asked.get("q", "") or asked.get("query", ""))
        return measure(self.store, query, steps, self.started(), bounded)

    def tags_v2(self, request: Request) -> Response:
        asked = request.query_params
        limit = whole_number(asked, "limit", MOST_VALUES, MOST_VALUES)
        wanted = asked.get("scope", "none")
        found = tag_names(self.store, time_range(asked))
        scopes = [
            {"name": scope, "tags": list(keys)[:limit]}
            for scope, keys in found.items()
            if keys and wanted in ("", "none", scope)
        ]
        return answer({"scopes": scopes, "metrics": {}})

    def tags_v1(self, request: Request) -> Response:
        found = tag_names(self.store, time_range(request.query_params))
        keys = {key for scope, keys in found.items() if scope != "intrinsic" for key in keys}
        return answer({"tagNames": sorted(keys), "metrics": {}})

    def values_v2(self, request: Request) -> Response:
        found = [{"type": kind, "value": value} for kind, value in self._values(request)]
        return answer({"tagValues": found, "metrics": {}})

    def values_v1(self, request: Request) -> Response:
        found = sorted({value for _, value in self._values(request)})
        return answer({"tagValues": found, "metrics": {}})

    def _values(self, request: Request) -> list[tuple[str, str]]:
        asked = request.query_params
        return tag_values(
            self.store,
            field_named(request.path_params["tag"]),
            as_far_as_it_goes(asked.get("q", "")),
            time_range(asked),
            whole_number(asked, "limit", MOST_VALUES, MOST_VALUES),
            self.started(),
        )


def answer(document: Any) -> Response:
    """A document as JSON."""
    return Response(orjson.dumps(document), media_type="application/json")


def _wants_protobuf(request: Request) -> bool:
    return PROTOBUF in request.headers.get("accept", "")


def _in_its_words(endpoint: Endpoint) -> Endpoint:
    """The same; a query or an id that is wrong is refused in Tempo's words."""

    def asked(request: Request) -> Response:
        try:
            return endpoint(request)
        except TooMuch:
            raise
        except TraceQLError as error:
            return PlainTextResponse(f"invalid TraceQL query: {error}", 400)
        except InvalidId as error:
            return PlainTextResponse(f"invalid trace id: {error}", 400)

    return asked
