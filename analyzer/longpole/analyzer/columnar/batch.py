"""Batches: the spans of many traces as NumPy columns, in trace order and within it by span id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longpole.analyzer.calls import PEER, RESEND_COUNT, URL, host_of_url
from longpole.analyzer.clock_shift import CLOCK
from longpole.analyzer.columnar.forest import id_order
from longpole.model.ids import split_trace_id
from longpole.storage.ports import WholeTraces

Ints = npt.NDArray[np.int64]

# What paths and their totals need beside the core columns: reading more would take longer than
# the paths do. Verdicts and findings need `path_spans.ANALYSIS_ATTRIBUTES`.
PATH_ATTRIBUTES: tuple[str, ...] = (*PEER, *URL, *RESEND_COUNT, *CLOCK)


@dataclass(frozen=True, slots=True)
class SpanBatch:
    """All arrays but `offsets` and `odd` have one entry per span; `rows` leads back to the row
    of `whole.spans`. `services` and `names` are codes into `service_names` and `span_names`,
    `peers` into `peer_names` (-1: attributes name nobody)."""

    whole: WholeTraces
    offsets: Ints
    rows: Ints
    odd: npt.NDArray[np.uint8]
    span_ids: npt.NDArray[np.uint64]
    parent_ids: npt.NDArray[np.uint64]
    starts: Ints
    ends: Ints
    kinds: npt.NDArray[np.int32]
    statuses: npt.NDArray[np.int32]
    services: npt.NDArray[np.int32]
    service_names: Sequence[str]
    names: npt.NDArray[np.int32]
    span_names: Sequence[str]
    peers: npt.NDArray[np.int32]
    peer_names: Sequence[str]
    is_resent: npt.NDArray[np.uint8]


def span_batch(whole: WholeTraces) -> SpanBatch:
    """The batch of whole traces, without a loop over spans in Python."""
    table = whole.spans
    offsets = _offsets(whole, _numbers(table, "trace_hi"), _numbers(table, "trace_lo"))
    starts = _numbers(table, "start_unix_nano")
    # Wraps around as in `path_spans`.
    ends = starts + _numbers(table, "duration_ns")
    ends = np.where((ends < starts) & (ends >= 0) & (starts >= 0), starts, ends)
    span_ids = _numbers(table, "span_id")
    rows, odd = id_order(offsets, span_ids, starts, ends)
    services, service_names = _codes(table.column("service_name"))
    names, span_names = _codes(table.column("name"))
    peers, peer_names = _peers(table)
    resent = _first_text(table, RESEND_COUNT)
    is_sorted = bool((rows == np.arange(rows.size)).all())

    def placed(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values if is_sorted else values[rows]

    return SpanBatch(
        whole,
        offsets,
        rows,
        odd,
        placed(span_ids),
        placed(_numbers(table, "parent_span_id")),
        placed(starts),
        placed(ends),
        placed(_numbers(table, "kind")),
        placed(_numbers(table, "status_code")),
        placed(services),
        service_names,
        placed(names),
        span_names,
        placed(peers),
        peer_names,
        placed(_is_set(resent, table.num_rows)),
    )


def _numbers(table: pa.Table, name: str) -> npt.NDArray[Any]:
    """A column as the compiled loops take it: one aligned block."""
    return np.require(table.column(name).to_numpy(), requirements=["C", "A"])


def _offsets(whole: WholeTraces, hi: npt.NDArray[np.uint64], lo: npt.NDArray[np.uint64]) -> Ints:
    """Where the spans of each trace begin, and the end of all of them."""
    is_new = np.flatnonzero((hi[1:] != hi[:-1]) | (lo[1:] != lo[:-1])) + 1
    begins = np.concatenate([[0], is_new])[: hi.size]
    if begins.size == len(whole.traces):
        return np.append(begins, hi.size).astype(np.int64)
    # Some traces have no spans. As in `path_spans`, nothing is read beyond a foreign span.
    ends = [*begins[1:].tolist(), hi.size]
    offsets, run, at = [0], 0, 0
    for state in whole.traces:
        if run < begins.size and split_trace_id(state.trace_id) == (int(hi[at]), int(lo[at])):
            at = ends[run]
            run += 1
        offsets.append(at)
    return np.array(offsets, np.int64)


def _codes(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], list[str]]:
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return encoded.indices.to_numpy(), encoded.dictionary.to_pylist()


def _first_text(table: pa.Table, keys: tuple[str, ...]) -> pa.Array | None:
    """The first of these columns that is set and not empty in each row; None: none ever is."""
    known = set(table.column_names)
    found = []
    for key in keys:
        if key in known:
            column = table.column(key)
            if column.null_count < len(column):
                column = column.combine_chunks()
                is_text = pc.not_equal(column, "")
                found.append(pc.if_else(is_text, column, pa.scalar(None, pa.string())))
    return pc.coalesce(*found) if found else None


def _peers(table: pa.Table) -> tuple[npt.NDArray[np.int32], list[str]]:
    """What `calls.peer_of` answers, as codes."""
    peers = _first_text(table, PEER)
    urls = _first_text(table, URL)
    if urls is not None:
        encoded = urls.dictionary_encode()
        hosts = pa.array([host_of_url(url) for url in encoded.dictionary.to_pylist()], pa.string())
        by_url = hosts.take(encoded.indices)
        peers = by_url if peers is None else pc.coalesce(peers, by_url)
    if peers is None:
        return np.full(table.num_rows, -1, np.int32), []
    encoded = peers.dictionary_encode()
    return pc.fill_null(encoded.indices, -1).to_numpy(), encoded.dictionary.to_pylist()


def _is_set(texts: pa.Array | None, count: int) -> npt.NDArray[np.uint8]:
    if texts is None:
        return np.zeros(count, np.uint8)
    is_valid: npt.NDArray[np.bool_] = pc.is_valid(texts).to_numpy(zero_copy_only=False)
    return is_valid.astype(np.uint8)
