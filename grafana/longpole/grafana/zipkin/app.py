"""The ASGI application of this dialect: Zipkin's four questions (zipkin2-api.yaml).

Times of the query string are milliseconds, durations microseconds; errors are plain text.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from longpole.formats import zipkin
from longpole.grafana.jaeger.asked import BadParameter, of_tag, whole
from longpole.grafana.threads import Threads
from longpole.model.clock import Clock
from longpole.model.ids import parse_short_trace_id
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage import ports

DEFAULT_TRACES, MOST_TRACES = 10, 1_000
_DAY_MS = 86_400_000
_FURTHEST_MS = 9_223_372_036_854


def zipkin_app(store: ports.TraceReader, clock: Clock) -> Starlette:
    """The application, to be mounted at `/zipkin`."""
    dialect = _Zipkin(store, clock)
    routes = [
        ("/api/v2/services", dialect.services),
        ("/api/v2/spans", dialect.names),
        ("/api/v2/traces", dialect.search),
        ("/api/v2/trace/{trace_id}", dialect.trace),
    ]
    threads = Threads()
    return Starlette(
        routes=[Route(path, threads.run(ask), methods=["GET"]) for path, ask in routes]
    )


@dataclass(frozen=True, slots=True)
class _Zipkin:
    store: ports.TraceReader
    clock: Clock

    def services(self, request: Request) -> Response:
        return _json(orjson.dumps(sorted(self.store.service_colours())))

    def names(self, request: Request) -> Response:
        wanted = request.query_params.get("serviceName", "")
        found = [one for one in self.store.services(TimeRange()) if one.name == wanted]
        return _json(orjson.dumps(sorted({name for one in found for name in one.operations})))

    def search(self, request: Request) -> Response:
        rows = self.store.find_traces(self._query(request)).traces
        ids = zip(rows["trace_hi"].to_pylist(), rows["trace_lo"].to_pylist(), strict=True)
        traces = [zipkin.encode(self.store.trace_tables([hi << 64 | lo])) for hi, lo in ids]
        return _json(b"[" + b",".join(trace for trace in traces if trace != b"[]") + b"]")

    def trace(self, request: Request) -> Response:
        trace_id = parse_short_trace_id(request.path_params["trace_id"])
        spans = zipkin.encode(self.store.trace_tables([trace_id]))
        return _json(spans) if spans != b"[]" else PlainTextResponse("trace not found", 404)

    def _query(self, request: Request) -> TraceQuery:
        asked = request.query_params
        end_ms = whole(asked, "endTs", self.clock.now_unix_nano() // 10**6)
        lookback_ms = whole(asked, "lookback", _DAY_MS)
        limit = whole(asked, "limit", DEFAULT_TRACES)
        if not 0 <= end_ms < _FURTHEST_MS or lookback_ms <= 0:
            raise BadParameter("'endTs' and 'lookback' are positive milliseconds")
        if not 1 <= limit <= MOST_TRACES:
            raise BadParameter(f"'limit' is from 1 to {MOST_TRACES:,}")
        conditions = []
        for name, field in (("serviceName", Field.SERVICE), ("spanName", Field.NAME)):
            if text := asked.get(name, ""):
                conditions.append(Condition(field, Comparison.EQ, text))
        for name, comparison in (("minDuration", Comparison.GE), ("maxDuration", Comparison.LE)):
            if asked.get(name, ""):
                duration_ns = min(whole(asked, name, 0) * 1000, 2**63 - 1)
                conditions.append(Condition(Field.DURATION, comparison, duration_ns))
        conditions += self._tags(asked.get("annotationQuery", ""))
        time = TimeRange(max(0, end_ms - lookback_ms) * 10**6, (end_ms + 1) * 10**6)
        return TraceQuery(tuple(conditions), time, limit)

    def _tags(self, text: str) -> list[Condition]:
        """`error and http.method=GET`: tags with values, and whether there was an error."""
        key_types = self.store.attribute_keys()
        found = []
        for part in filter(None, (part.strip() for part in text.split(" and "))):
            key, equals, value = part.partition("=")
            if not equals and key != "error":
                raise BadParameter(f"'annotationQuery': give {key[:80]!r} a value, as in key=value")
            found.append(of_tag(key, value if equals else "true", key_types))
        return found


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
