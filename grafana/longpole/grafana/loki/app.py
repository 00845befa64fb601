"""The HTTP dialect of Loki, mounted under one prefix; errors are plain text, as Loki's are.

The plugin asks below `/loki/api/v1`, so the data source may be given the address of the server or
that of the prefix.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from longpole.analyzer.logql.evaluation import Evaluation, Steps, range_steps
from longpole.analyzer.logql.expressions import Lines, Metric
from longpole.analyzer.logql.labels import STREAM_ATTRIBUTES, label_name
from longpole.analyzer.logql.parsing import parse
from longpole.analyzer.logql.pipeline import Line
from longpole.analyzer.logql.reading import all_lines, newest_lines
from longpole.analyzer.logql.refusals import LogQLError, TooMuch
from longpole.grafana.loki import answers, drilldown
from longpole.grafana.loki.fields import detected_fields, field_values
from longpole.grafana.loki.parameters import BadParameter, duration_ns, unix_nano, whole_number
from longpole.grafana.loki.tail import Tails
from longpole.grafana.presence import Stopwatch, stopwatch
from longpole.grafana.threads import Endpoint, Threads, http_error
from longpole.model.clock import Clock
from longpole.model.timerange import TimeRange
from longpole.storage import ports

_HOUR_NS = 3_600 * 10**9
MOST_LINES = 5_000
MOST_VOLUMES = 5_000
# How many of the newest lines tell which labels and values there are.
_SAMPLE = 10_000
_FLAGS = "x-loki-response-encoding-flags"
STATUSES = ((TooMuch, 422),)


def create_loki_app(
    store: ports.TraceReader, clock: Clock, version: str = "", started: Stopwatch = stopwatch,
    tail_pause_seconds: float = 1.0,
) -> Starlette:  # fmt: skip
    """The application for one store. Its functions block, so they run in threads."""
    dialect = _Loki(store, clock, version, started)
    endpoints = {
        "query": dialect.query,
        "query_range": dialect.query_range,
        "labels": dialect.labels,
        "label": dialect.labels,
        "label/{name}/values": dialect.label_values,
        "series": dialect.series,
        "index/stats": dialect.index_stats,
        "index/volume": dialect.index_volume,
        "index/volume_range": dialect.index_volume_range,
        "patterns": dialect.patterns,
        "drilldown-limits": dialect.drilldown_limits,
        "detected_fields": dialect.detected_fields,
        "detected_field/{name}/values": dialect.field_values,
        "detected_labels": dialect.detected_labels,
        "status/buildinfo": dialect.build_info,
    }
    threads = Threads(statuses=STATUSES)
    routes: list[BaseRoute] = [Route("/ready", lambda request: PlainTextResponse("ready\n"))]
    for path, endpoint in endpoints.items():
        for prefix in ("/api/v1/", "/loki/api/v1/"):
            answering = threads.run(_as_json(endpoint))
            routes.append(Route(prefix + path, answering, methods=["GET"]))
    tails = Tails(store, clock, started, tail_pause_seconds)
    routes += [
        WebSocketRoute(f"{prefix}tail", tails.follow) for prefix in ("/api/v1/", "/loki/api/v1/")
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: http_error})


@dataclass(frozen=True, slots=True)
class _Loki:
    store: ports.TraceReader
    clock: Clock
    version: str
    started: Stopwatch

    def build_info(self, request: Request) -> Any:
        return {"version": self.version, "revision": "", "branch": "", "goVersion": ""}

    def query(self, request: Request) -> Any:
        asked = request.query_params
        at = unix_nano(asked, "time")
        at = self.clock.now_unix_nano() if at is None else at
        query = parse(asked.get("query", ""), needs_matcher=True)
        if isinstance(query, Lines):
            return self._lines(request, query, TimeRange(at - _HOUR_NS, at + 1))
        steps = Steps(at, 1, 1)
        found = self._value(query, steps)
        if isinstance(found, float):
            return answers.scalar_answer(found, steps)
        return answers.vector_answer(found, steps)

    def query_range(self, request: Request) -> Any:
        asked = request.query_params
        query = parse(asked.get("query", ""), needs_matcher=True)
        window = self._window(asked)
        if isinstance(query, Lines):
            return self._lines(request, query, window)
        start, end = window.start_unix_nano, window.end_unix_nano
        step = duration_ns(asked, "step") or max(10**9, (end - start) // 250)
        steps = range_steps(start, end, step)
        found = self._value(query, steps)
        if isinstance(found, float):
            raise LogQLError("a number alone has no range: write vector(…)")
        return answers.matrix_answer(found, steps)

    def labels(self, request: Request) -> Any:
        known = {label_name(key) for key in STREAM_ATTRIBUTES}
        asked = request.query_params
        # What is no time is refused also where it does not matter.
        self._window(asked)
        if not asked.get("query"):
            places = self.store.attribute_places()
            held = {label_name(key) for place, key in places if place == "resource"}
            return answers.success(sorted((held & known) | {"service_name"}))
        lines = self._sample(asked, "query")
        return answers.success(sorted({name for line in lines for name in line.record.stream}))

    def label_values(self, request: Request) -> Any:
        name = request.path_params["name"]
        lines = self._sample(request.query_params, "query")
        found = {line.record.stream.get(name, "") for line in lines} - {""}
        return answers.success(sorted(found))

    def series(self, request: Request) -> Any:
        asked = request.query_params
        matches = asked.getlist("match[]") or asked.getlist("match") or ["{}"]
        found: dict[tuple[tuple[str, str], ...], None] = {}
        for match in matches[:20]:
            for line in self._sample(asked, "", match):
                found[tuple(line.record.stream.items())] = None
        return answers.success([dict(stream) for stream in sorted(found)])

    def index_stats(self, request: Request) -> Any:
        asked = request.query_params
        query = parse(asked.get("query", "") or "{}")
        lines = query if isinstance(query, Lines) else Lines(())
        entries = size = 0
        streams = set()
        for line in all_lines(self.store, lines, self._window(asked), self.started()):
            entries += 1
            size += len(line.record.line)
            streams.add(id(line.record.stream))
        return {"streams": len(streams), "chunks": len(streams), "entries": entries, "bytes": size}

    def index_volume(self, request: Request) -> Any:
        sizes, window = self._volumes(request, 0)
        at = window.end_unix_nano / 1e9
        result = [
            {"metric": dict(labels), "value": [at, str(counts.total())]}
            for labels, counts in sizes.items()
        ]
        return answers.success({"resultType": "vector", "result": result})

    def index_volume_range(self, request: Request) -> Any:
        asked = request.query_params
        window = self._window(asked)
        length = window.end_unix_nano - window.start_unix_nano
        step = duration_ns(asked, "step") or max(10**9, length // 250)
        range_steps(window.start_unix_nano, window.end_unix_nano, step)
        sizes, _ = self._volumes(request, step)
        result = drilldown.volume_series(sizes, step)
        return answers.success({"resultType": "matrix", "result": result})

    def _volumes(
        self, request: Request, step_ns: int
    ) -> tuple[dict[drilldown.Labels, Counter[int]], TimeRange]:
        asked = request.query_params
        query = parse(asked.get("query", "") or "{}")
        lines = query if isinstance(query, Lines) else Lines(())
        window = self._window(asked)
        wanted = [name for name in asked.get("targetLabels", "").split(",") if name]
        wanted = wanted or [matcher.name for matcher in lines.matchers] or ["service_name"]
        by_label = asked.get("aggregateBy", "series") == "labels"
        found = all_lines(self.store, lines, window, self.started())
        sizes = drilldown.volumes(found, wanted, by_label=by_label, step_ns=step_ns)
        limit = whole_number(asked, "limit", 100, MOST_VOLUMES)
        return dict(islice(sizes.items(), limit)), window

    def patterns(self, request: Request) -> Any:
        asked = request.query_params
        window = self._window(asked, 3 * _HOUR_NS)
        query = parse(asked.get("query", ""), needs_matcher=True)
        lines = query if isinstance(query, Lines) else Lines(())
        length = window.end_unix_nano - window.start_unix_nano
        step = duration_ns(asked, "step") or max(10 * 10**9, length // 250)
        most = drilldown.MOST_PATTERN_LINES
        found = newest_lines(self.store, lines, window, most, self.started())
        return answers.success(drilldown.patterns(found, step))

    def drilldown_limits(self, request: Request) -> Any:
        return drilldown.limits(self.version, MOST_LINES, MOST_VOLUMES)

    def detected_fields(self, request: Request) -> Any:
        asked = request.query_params
        limit = whole_number(asked, "limit", 1_000, 5_000)
        return {"fields": detected_fields(self._sample(asked, "query"), limit), "limit": limit}

    def field_values(self, request: Request) -> Any:
        asked = request.query_params
        limit = whole_number(asked, "limit", 1_000, 5_000)
        name = request.path_params["name"]
        found = field_values(self._sample(asked, "query"), name, limit)
        return {"values": found, "limit": limit}

    def detected_labels(self, request: Request) -> Any:
        values: dict[str, set[str]] = defaultdict(set)
        for line in self._sample(request.query_params, "query"):
            for name, value in line.record.stream.items():
                values[name].add(value)
        found = [{"label": name, "cardinality": len(values[name])} for name in sorted(values)]
        return {"detectedLabels": found}

    def _lines(self, request: Request, query: Lines, window: TimeRange) -> Any:
        asked = request.query_params
        limit = whole_number(asked, "limit", 100, MOST_LINES)
        is_forward = asked.get("direction", "backward").lower() == "forward"
        is_categorized = answers.CATEGORIZE in request.headers.get(_FLAGS, "")
        if is_forward:
            # The oldest ones are the last of all that there are.
            lines = list(all_lines(self.store, query, window, self.started()))[-limit:]
        else:
            lines = newest_lines(self.store, query, window, limit, self.started())
        return answers.streams_answer(lines, is_categorized, is_forward)

    def _value(self, query: Metric, steps: Steps) -> Any:
        return Evaluation(self.store, steps, self.started()).value(query)

    def _sample(self, asked: QueryParams, name: str, text: str = "") -> list[Line]:
        query = parse(text or asked.get(name, "") or "{}")
        lines = query if isinstance(query, Lines) else Lines(())
        return newest_lines(self.store, lines, self._window(asked), _SAMPLE, self.started())

    def _window(self, asked: Mapping[str, str], length_ns: int = _HOUR_NS) -> TimeRange:
        """From `start` up to `end`; the last hour (or `length_ns`) unless told otherwise."""
        end = unix_nano(asked, "end")
        end = self.clock.now_unix_nano() if end is None else end
        start = unix_nano(asked, "start")
        if start is None:
            start = end - (duration_ns(asked, "since") or length_ns)
        if start > end:
            raise BadParameter("the end time must not be before the start time")
        return TimeRange(start, end)


def _as_json(endpoint: Callable[[Request], Any]) -> Endpoint:
    """The document of an endpoint as JSON."""
    return lambda request: Response(orjson.dumps(endpoint(request)), media_type="application/json")
