"""The spans of whole traces as columns: what a query is evaluated on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longpole.analyzer.traceql import columns
from longpole.analyzer.traceql.columns import Column, Ints, Rows


@dataclass(frozen=True, slots=True, eq=False)
class SpanFrame:
    """Spans sorted by trace: those of trace number t are the rows `starts[t]` to `starts[t + 1]`.

    `tables` has attributes, events and links in the model's columns, its `spans` in the same order;
    None where only the columns here are known.
    """

    trace_ids: tuple[int, ...]
    starts: Rows
    trace_of: Rows
    row_ids: npt.NDArray[np.uint64]
    span_ids: npt.NDArray[np.uint64]
    parent_ids: npt.NDArray[np.uint64]
    start_ns: Ints
    duration_ns: Ints
    kinds: Ints
    statuses: Ints
    names: Column
    messages: Column
    services: Column
    tables: Mapping[str, pa.Table] | None = None

    def __len__(self) -> int:
        return len(self.trace_of)


def frame_of(spans: pa.Table, tables: Mapping[str, pa.Table] | None = None) -> SpanFrame:
    """The frame of spans that are sorted by trace, in the columns that `WholeTraces` and the
    model's `spans` share."""
    hi, lo = (spans.column(name).to_numpy() for name in ("trace_hi", "trace_lo"))
    is_first = np.append(True, (hi[1:] != hi[:-1]) | (lo[1:] != lo[:-1]))[: len(hi)]
    firsts = np.flatnonzero(is_first)
    ids = zip(hi[firsts].tolist(), lo[firsts].tolist(), strict=True)

    def numbers(name: str) -> Ints:
        return np.asarray(spans.column(name).to_numpy(), np.int64)

    def ids_in(name: str) -> npt.NDArray[np.uint64]:
        return np.asarray(spans.column(name).to_numpy(), np.uint64)

    return SpanFrame(
        trace_ids=tuple(high << 64 | low for high, low in ids),
        starts=np.append(firsts, len(hi)).astype(np.int64),
        trace_of=(np.cumsum(is_first) - 1).astype(np.int64),
        row_ids=ids_in("row_id"),
        span_ids=ids_in("span_id"),
        parent_ids=ids_in("parent_span_id"),
        start_ns=numbers("start_unix_nano"),
        duration_ns=numbers("duration_ns"),
        kinds=numbers("kind"),
        statuses=numbers("status_code"),
        names=columns.texts(spans.column("name")),
        messages=columns.texts(spans.column("status_message")),
        services=columns.texts(spans.column("service_name")),
        tables=tables,
    )
