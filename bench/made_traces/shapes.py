"""Traces of chosen size and odd shapes as OTLP, for what draws them.

Spans are made one by one, with six attributes each, as instrumentations send them: what is
compared is also how many bytes a page has to fetch.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

MS = 1_000_000
TRACE_ID = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
SPANS_PER_REQUEST = 20_000
_SERVICES = ("gateway", "order", "payment", "inventory", "shipping", "user", "search", "catalogue")
_OPERATIONS = tuple(f"{verb} /{noun}" for verb in ("GET", "POST", "PUT") for noun in "abcdefghij")


@dataclass(frozen=True, slots=True)
class Made:
    """One span; `start` and `end` in nanoseconds after the begin of the trace."""

    span_id: int
    parent: int
    start: int
    end: int
    service: int
    name: str
    kind: int = 1
    failed: bool = False


def tree(count: int) -> Iterator[Made]:
    """A request as shops have them: calls below calls, some beside each other, a few errors."""
    chance = random.Random(count)
    total = 2_000 * MS + count * 2_000
    # The open spans from the root down: each new span goes below one of the last few.
    spans = [(0, total, 0)]
    yield Made(1, 0, 0, total, 0, "GET /root", 2)
    for number in range(2, count + 1):
        place = max(0, len(spans) - 1 - int(chance.expovariate(0.08)))
        start, end, service = spans[place]
        length = end - start
        begin = start + int(length * chance.random() * 0.6)
        stop = begin + max(1, int((end - begin) * (0.1 + 0.85 * chance.random())))
        if chance.random() < 0.3:
            service = chance.randrange(len(_SERVICES))
        name = _OPERATIONS[chance.randrange(len(_OPERATIONS))]
        spans.append((begin, stop, service))
        yield Made(number, place + 1, begin, stop, service, name,
                   chance.choice((1, 2, 3)), chance.random() < 0.0005)  # fmt: skip


def chain(count: int) -> Iterator[Made]:
    """Every span has one child."""
    for number in range(1, count + 1):
        yield Made(number, number - 1, number * 100, (2 * count - number) * 100 + MS,
                   number % 8, _OPERATIONS[number % 30])  # fmt: skip


def siblings(count: int) -> Iterator[Made]:
    """One root, all others directly below it."""
    yield Made(1, 0, 0, count * 20_000, 0, "GET /root", 2)
    for number in range(2, count + 1):
        yield Made(number, 1, number * 19_000, number * 19_000 + 900_000, number % 8,
                   _OPERATIONS[number % 30], 3)  # fmt: skip


def orphans(count: int) -> Iterator[Made]:
    """No span's parent ever arrived."""
    for number in range(1, count + 1):
        yield Made(number, count + number, number * MS, number * MS + 5 * MS, number % 8, "lost")


def skewed(count: int) -> Iterator[Made]:
    """Every other span begins an hour before its parent."""
    for made in tree(count):
        by = 3_600_000 * MS if made.span_id % 2 == 0 else 0
        yield Made(made.span_id, made.parent, made.start - by, made.end - by, made.service,
                   made.name, made.kind)  # fmt: skip


def duplicates(count: int) -> Iterator[Made]:
    """Half of the ids come twice, with other times and names."""
    for number in range(1, count + 1):
        half = max(1, number // 2)
        yield Made(half, 0 if half == 1 else half // 2, number * 1_000, number * 1_000 + 40 * MS,
                   number % 8, f"copy {number}")  # fmt: skip


def instants(count: int) -> Iterator[Made]:
    """Nothing takes any time."""
    for number in range(1, count + 1):
        yield Made(number, number // 2, 0, 0, number % 8, "instant")


def ten_hours(count: int) -> Iterator[Made]:
    """A job of ten hours with steps of milliseconds."""
    yield Made(1, 0, 0, 36_000_000 * MS, 0, "nightly job")
    for number in range(2, count + 1):
        at = (number - 2) * 36_000_000 * MS // count
        yield Made(number, 1, at, at + 3 * MS, number % 8, "step")


def long_names(count: int) -> Iterator[Made]:
    """Every name has five thousand characters."""
    for made in tree(count):
        yield Made(made.span_id, made.parent, made.start, made.end, made.service,
                   f"{made.name} {'x' * 5_000}", made.kind)  # fmt: skip


Maker = Callable[[], Iterator[Made]]
SIZES: dict[str, Maker] = {
    "1k": lambda: tree(1_000), "10k": lambda: tree(10_000), "100k": lambda: tree(100_000),
    "1M": lambda: tree(1_000_000),
}  # fmt: skip
SHAPES: dict[str, Maker] = {
    "depth 20,000": lambda: chain(20_000), "50,000 siblings": lambda: siblings(50_000),
    "1 span": lambda: tree(1), "orphans only": lambda: orphans(2_000),
    "clock skew": lambda: skewed(2_000), "duplicate ids": lambda: duplicates(2_000),
    "0 duration": lambda: instants(2_000), "10 hours": lambda: ten_hours(2_000),
    "5 KB names": lambda: long_names(1_000),
}  # fmt: skip


def requests(spans: Iterator[Made], begin_unix_nano: int) -> Iterator[bytes]:
    """The spans as OTLP export requests, some thousand in each."""
    request, scopes, held = ExportTraceServiceRequest(), {}, 0
    for made in spans:
        scope = scopes.get(made.service)
        if scope is None:
            group = request.resource_spans.add()
            _text(group.resource.attributes, "service.name", _SERVICES[made.service])
            _text(group.resource.attributes, "host.name", f"node-{made.service % 3}")
            scope = scopes[made.service] = group.scope_spans.add()
            scope.scope.name = "bench"
        span = scope.spans.add()
        span.trace_id, span.span_id = TRACE_ID, made.span_id.to_bytes(8, "big")
        if made.parent:
            span.parent_span_id = made.parent.to_bytes(8, "big")
        span.name, span.kind = made.name, made.kind
        span.start_time_unix_nano = begin_unix_nano + made.start
        span.end_time_unix_nano = begin_unix_nano + made.end
        if made.failed:
            span.status.code = 2
        for key, value in (
            ("http.request.method", "GET"), ("http.route", made.name[:20]),
            ("url.path", f"/v1/{made.span_id}"), ("server.address", _SERVICES[made.service]),
            ("network.protocol.version", "1.1"), ("thread.name", f"worker-{made.span_id % 64}"),
        ):  # fmt: skip
            _text(span.attributes, key, value)
        held += 1
        if held == SPANS_PER_REQUEST:
            yield request.SerializeToString()
            request, scopes, held = ExportTraceServiceRequest(), {}, 0
    if held:
        yield request.SerializeToString()


def _text(attributes: object, key: str, value: str) -> None:
    attribute = attributes.add()  # type: ignore[attr-defined]
    attribute.key, attribute.value.string_value = key, value
