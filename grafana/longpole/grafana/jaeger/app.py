"""The ASGI application of this dialect: routes, and Jaeger's envelope around every answer.

{"data":[…],"total":1,"limit":0,"offset":0,"errors":null}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longpole.analyzer.promql.catalog import SeriesCatalog
from longpole.grafana.jaeger.asked import BadParameter, trace_query, whole
from longpole.grafana.jaeger.dependencies import dependency_links
from longpole.grafana.jaeger.monitor import LEAST_STEP_MS, METRICS, metric_document
from longpole.grafana.jaeger.traces import found_traces, traces_of
from longpole.grafana.threads import Threads
from longpole.model.clock import Clock
from longpole.model.ids import parse_short_trace_id
from longpole.model.timerange import TimeRange
from longpole.storage import ports

_DAY_MS = 86_400_000
_FURTHEST_MS = 9_223_372_036_854
MOST_IDS = 1_000


def jaeger_app(store: ports.TraceReader, catalog: SeriesCatalog, clock: Clock) -> Starlette:
    """The application, to be mounted at `/jaeger`. `catalog` is where the metrics of the tab
    "Monitor" come from."""
    dialect = _Jaeger(store, catalog, clock)
    routes = [
        ("/api/services", dialect.services),
        ("/api/services/{service:path}/operations", dialect.operation_names),
        ("/api/operations", dialect.operations),
        ("/api/traces", dialect.search),
        ("/api/traces/{trace_id}", dialect.trace),
        ("/api/dependencies", dialect.dependencies),
        ("/api/metrics/minstep", dialect.min_step),
        ("/api/metrics/{metric}", dialect.metrics),
    ]
    threads = Threads(_refused)
    return Starlette(
        routes=[Route(path, threads.run(ask), methods=["GET"]) for path, ask in routes]
    )


@dataclass(frozen=True, slots=True)
class _Jaeger:
    store: ports.TraceReader
    catalog: SeriesCatalog
    clock: Clock

    def services(self, request: Request) -> Response:
        return _listed(sorted(self.store.service_colours()))

    def operation_names(self, request: Request) -> Response:
        return _listed(self._operations(request.path_params["service"]))

    def operations(self, request: Request) -> Response:
        service = request.query_params.get("service", "")
        if not service:
            raise BadParameter("parameter 'service' is required")
        kind = request.query_params.get("spanKind", "")
        return _listed([{"name": n, "spanKind": kind} for n in self._operations(service)])

    def _operations(self, service: str) -> list[str]:
        found = [one for one in self.store.services(TimeRange()) if one.name == service]
        return sorted({name for one in found for name in one.operations})

    def search(self, request: Request) -> Response:
        asked = request.query_params
        if texts := asked.getlist("traceID"):
            if len(texts) > MOST_IDS:
                raise BadParameter(f"more than {MOST_IDS:,} parameters 'traceID'")
            return _listed(traces_of(self.store, [parse_short_trace_id(text) for text in texts]))
        now_us = self.clock.now_unix_nano() // 1000
        query = trace_query(asked, self.store.attribute_keys(), now_us)
        traces, said = found_traces(self.store, query)
        # In the envelope an error would hide the traces; the last trace carries the word.
        if said and traces:
            traces[-1]["warnings"] = [said]
        return _listed(traces)

    def trace(self, request: Request) -> Response:
        found = traces_of(self.store, [parse_short_trace_id(request.path_params["trace_id"])])
        return _listed(found) if found else _refused(404, "trace not found")

    def dependencies(self, request: Request) -> Response:
        asked = request.query_params
        end_ms = min(whole(asked, "endTs", self.clock.now_unix_nano() // 10**6), _FURTHEST_MS)
        lookback_ms = whole(asked, "lookback", _DAY_MS)
        if end_ms < 0 or lookback_ms <= 0:
            raise BadParameter("'endTs' and 'lookback' are positive milliseconds")
        time = TimeRange(max(0, end_ms - lookback_ms) * 10**6, end_ms * 10**6)
        return _listed(dependency_links(self.store, time))

    def min_step(self, request: Request) -> Response:
        return _json({"data": LEAST_STEP_MS, **_ENVELOPE})

    def metrics(self, request: Request) -> Response:
        name = request.path_params["metric"]
        if name not in METRICS:
            return _refused(404, "there is no such metric")
        return _json(metric_document(name, request.query_params, self.catalog, self.clock))


_NO_HEADERS: Mapping[str, str] = {}
_ENVELOPE = {"total": 0, "limit": 0, "offset": 0, "errors": None}


def _listed(data: list[Any]) -> Response:
    return _json({"data": data, **_ENVELOPE, "total": len(data)})


def _json(document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")


def _refused(status: int, message: str, headers: Mapping[str, str] = _NO_HEADERS) -> Response:
    error = {"code": status, "msg": message}
    document = {"data": None, **_ENVELOPE, "errors": [error]}
    return Response(orjson.dumps(document), status, dict(headers), "application/json")
