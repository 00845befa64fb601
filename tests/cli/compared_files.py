"""Two files of telemetry for comparisons: a shop before and after a release."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from longpole.formats.rows import telemetry_of_spans
from longpole.model.span import Resource, Span, SpanKind

START = 1_767_323_000_000_000_000
MS = 1_000_000
SECOND = 1000 * MS


def release(version: str, start: int, seed: int, count: int = 60) -> list[Span]:
    """Requests `GET /cart` with one query each. From 1.5.0 on the query takes longer in the
    region eu, and a call to a rating service is new."""
    rng = np.random.default_rng(seed)
    is_new = version >= "1.5.0"
    spans: list[Span] = []
    for number in range(count):
        region = ("eu", "us", "ap")[number % 3]
        query = int(10 * MS * rng.lognormal(0, 0.1)) + (20 * MS if is_new and region == "eu" else 0)
        rating = int(4 * MS * rng.lognormal(0, 0.1)) if is_new else 0
        begin = start + number * SECOND
        after = begin + 2 * MS + query
        end = after + rating + int(3 * MS * rng.lognormal(0, 0.1))
        made = partial(_span, (seed << 64) + number + 1, Resource(
            {"service.name": "cart", "service.version": version}
        ))  # fmt: skip
        spans.append(made(1, "GET /cart", SpanKind.SERVER, begin, end, region=region))
        spans.append(made(2, "SELECT cart", SpanKind.CLIENT, begin + 2 * MS, after, shard=region))
        if rating:
            spans.append(made(3, "GET /ratings", SpanKind.CLIENT, after, after + rating))
    return spans


def _span(
    trace_id: int, resource: Resource, place: int, name: str, kind: SpanKind, lo: int, hi: int,
    **attributes: str,
) -> Span:  # fmt: skip
    first = trace_id % 2**48 * 8
    return Span(
        trace_id, first + place, first + 1 if place > 1 else 0, name, kind, lo, hi, "cart",
        attributes=attributes, resource=resource,
    )  # fmt: skip


def written(folder: Path, name: str, spans: list[Span]) -> Path:
    """The file that holds these spans."""
    file = folder / name
    file.write_bytes(telemetry_of_spans(spans).body)
    return file
