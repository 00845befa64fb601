"""Counts calls over spans kept as plain objects: `CallReader` in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa

from longpole.model.columns import RED_BOUNDS_NS
from longpole.model.span import Span, SpanKind, StatusCode
from longpole.storage.answers import CALL_SERIES
from longpole.storage.call_ports import (
    DATABASE,
    DATABASE_TYPE,
    MESSAGING,
    PEER_ADDRESS,
    PEER_PORT,
    PEER_SERVICE,
    SERVER_ADDRESS,
    USER,
    VIRTUAL,
)
from longpole.storage.memory_trace import KeptTrace
from longpole.storage.red_answers import CallSeriesQuery

_OTHER_SIDE = {SpanKind.CLIENT: SpanKind.SERVER, SpanKind.PRODUCER: SpanKind.CONSUMER}
# Client, server, type, and the spans that tell of the two sides.
_Call: TypeAlias = tuple[str, str, str, Span, Span]


class MemoryCalls(ABC):
    """See `call_ports.CallReader`."""

    @abstractmethod
    def kept(self) -> Mapping[int, KeptTrace]:
        """Every trace as it is now."""

    def call_series(self, query: CallSeriesQuery) -> pa.Table:
        """See `call_ports.CallReader`."""
        totals: dict[tuple[Any, ...], dict[str, Any]] = {}
        for trace in self.kept().values():
            for call in _calls([span for _, span in trace.spans.values()]):
                _add(totals, call, query)
        return pa.Table.from_pylist([totals[key] for key in sorted(totals)], schema=CALL_SERIES)


def _calls(spans: Sequence[Span]) -> Iterator[_Call]:
    below: dict[tuple[int, int], list[Span]] = {}
    for span in spans:
        below.setdefault((span.parent_span_id, span.kind), []).append(span)
    for span in spans:
        if span.kind == SpanKind.SERVER and not span.parent_span_id:
            yield USER, span.service_name, VIRTUAL, span, span
        if span.kind not in _OTHER_SIDE:
            continue
        said = {key: _text(value) for key, value in span.attributes.items()}
        peer = said.get(PEER_SERVICE) or ""
        if span.kind == SpanKind.CLIENT and any(key in said for key in DATABASE):
            yield span.service_name, peer or _database(said), DATABASE_TYPE, span, span
            continue
        others = below.get((span.span_id, _OTHER_SIDE[SpanKind(span.kind)]), [])
        kind = MESSAGING if span.kind == SpanKind.PRODUCER else ""
        for other in others:
            yield span.service_name, other.service_name, kind, span, other
        if not others and span.kind == SpanKind.CLIENT and peer:
            yield span.service_name, peer, VIRTUAL, span, span


def _database(said: Mapping[str, str]) -> str:
    address = said.get(PEER_ADDRESS)
    if address and said.get(PEER_PORT):
        address = f"{address}:{said[PEER_PORT]}"
    names = (said.get(SERVER_ADDRESS), address, *(said.get(key) for key in DATABASE))
    return next((name for name in names if name), "")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _add(
    totals: dict[tuple[Any, ...], dict[str, Any]], call: _Call, query: CallSeriesQuery
) -> None:
    client, server, kind, *sides = call
    end = sides[0].end_unix_nano
    if not query.time.start_unix_nano <= end < query.time.end_unix_nano:
        return
    step = end - end % query.step_ns if query.by_step else query.time.start_unix_nano
    key = (step, client, server, kind)
    known = totals.get(key)
    if known is None:
        none = [0] * (len(RED_BOUNDS_NS) + 1)
        values = (*key, 0, 0, 0.0, [*none], 0.0, [*none])
        known = totals[key] = dict(zip(CALL_SERIES.names, values, strict=True))
    known["count"] += 1
    known["failed"] += any(side.status_code == StatusCode.ERROR for side in sides)
    for name, side in zip(("client", "server"), sides, strict=True):
        took = max(0, side.end_unix_nano - side.start_unix_nano)
        known[f"{name}_ns"] += took
        known[f"{name}_buckets"][bisect_left(RED_BOUNDS_NS, took)] += 1
