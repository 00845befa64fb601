"""Trace requests of a web shop: whole traces, as a Collector passes them on, grouped by service."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

from longpole.cli.loadgen.placeholders import Kind, Placeholders
from longpole.cli.loadgen.request import MadeRequest, Times
from longpole.cli.loadgen.words import DATABASE_CALLS, SERVICES, any_value, attributes, resource

_MS = 1_000_000
_LEAST_SPANS, _MOST_SPANS = 6, 16
_ERROR_SHARE = 0.02
_SCOPE = "opentelemetry.instrumentation.shop"


@dataclass(frozen=True, slots=True)
class _Step:
    """One span before it is a message; times from the start of its trace."""

    service: int
    name: str
    kind: int
    parent: int  # -1: the root
    start_ns: int
    end_ns: int


def made_traces(prefix: str, count: int, attribute_count: int, seed: int) -> MadeRequest:
    """A request of exactly so many spans."""
    random = np.random.default_rng(seed)
    made = Placeholders(seed)
    times = Times()
    by_service: dict[int, list[Span]] = {}
    done = 0
    while done < count:
        budget = min(count - done, int(random.integers(_LEAST_SPANS, _MOST_SPANS + 1)))
        steps = _steps(budget, random)
        trace_id = made.trace()
        ids = [made.span() for _ in steps]
        for step, span_id in zip(steps, ids, strict=True):
            parent = ids[step.parent] if step.parent >= 0 else b""
            span = _span(step, trace_id, span_id, parent, made, times)
            span.attributes.extend(attributes(seed + done, attribute_count, made))
            if random.random() < _ERROR_SHARE:
                _fail(span, step, made, times)
            by_service.setdefault(step.service, []).append(span)
            done += 1
        times.next_trace()
    request = ExportTraceServiceRequest()
    for service, spans in by_service.items():
        group = request.resource_spans.add()
        group.resource.CopyFrom(resource(prefix, SERVICES[service][0], seed % 4))
        scoped = ScopeSpans(spans=spans)
        scoped.scope.name, scoped.scope.version = _SCOPE, "0.66b0"
        group.scope_spans.append(scoped)
    return MadeRequest(request, made, times, count)


def _steps(budget: int, random: np.random.Generator) -> list[_Step]:
    """A trace of exactly so many spans: calls between services, one after another, and calls
    of a database, which sends no spans."""
    name = str(random.choice(SERVICES[0][1]))
    total = int(random.integers(20, 800)) * _MS
    steps = [_Step(0, name, Span.SPAN_KIND_SERVER, -1, 0, total)]
    open_steps = deque([0])
    while len(steps) < budget:
        # Whoever has nobody left to call is asked again.
        parent = open_steps.popleft() if open_steps else 0
        held = steps[parent]
        calls = int(random.integers(1, 4))
        slot = (held.end_ns - held.start_ns) // (calls + 1)
        for call in range(calls):
            room = budget - len(steps)
            if not room:
                break
            begin = held.start_ns + call * slot + slot // 8
            end = begin + slot * 3 // 4
            if room == 1 or random.random() < 0.3:
                query = DATABASE_CALLS[int(random.integers(len(DATABASE_CALLS)))]
                steps.append(_Step(held.service, query, Span.SPAN_KIND_CLIENT, parent, begin, end))
                continue
            callee = 1 + int(random.integers(len(SERVICES) - 1))
            names = SERVICES[callee][1]
            served = names[int(random.integers(len(names)))]
            steps.append(
                _Step(held.service, served.split()[0], Span.SPAN_KIND_CLIENT, parent, begin, end)
            )
            network = (end - begin) // 20
            steps.append(
                _Step(callee, served, Span.SPAN_KIND_SERVER, len(steps) - 1,
                      begin + network, end - network)
            )  # fmt: skip
            open_steps.append(len(steps) - 1)
    return steps


def _span(
    step: _Step, trace_id: bytes, span_id: bytes, parent: bytes, made: Placeholders, times: Times
) -> Span:
    times.at(Kind.START, step.start_ns)
    times.at(Kind.END, step.end_ns)
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent,
        name=step.name,
        kind=Span.SpanKind.ValueType(step.kind),
        start_time_unix_nano=made.time(Kind.START),
        end_time_unix_nano=made.time(Kind.END),
        flags=0x101,
    )


def _fail(span: Span, step: _Step, made: Placeholders, times: Times) -> None:
    span.status.code = Status.STATUS_CODE_ERROR
    span.status.message = "upstream timed out"
    times.at(Kind.START, step.end_ns)
    event = span.events.add(name="exception", time_unix_nano=made.time(Kind.START))
    for key, value in (
        ("exception.type", "TimeoutError"),
        ("exception.message", "no answer within 250 ms"),
    ):
        event.attributes.add(key=key).value.CopyFrom(any_value(value))
