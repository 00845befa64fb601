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
from longpole.analyzer.columnar.ordering import id_order, placed
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
    durations = _numbers(table, "duration_ns")
    rows, span_ids, ends, odd, is_placed = id_order(
        offsets, _numbers(table, "span_id"), starts, durations
    )
    services, service_names = _codes(table.column("service_name"))
    names, span_names = _codes(table.column("name"))
    peers, peer_names = _peers(table)
    columns: tuple[npt.NDArray[Any], ...] = (
        _numbers(table, "parent_span_id"), starts, ends, _numbers(table, "kind"),
        _numbers(table, "status_code"), services, names, peers, _is_resent(table),
    )  # fmt: skip
    if not is_placed:
        columns = tuple(placed(rows, *columns))
    parent_ids, starts, ends, kinds, statuses, services, names, peers, is_resent = columns
    return SpanBatch(
        whole,
        offsets,
        rows,
        odd,
        span_ids,
        parent_ids,
        starts,
        ends,
        kinds,
        statuses,
        services,
        service_names,
        names,
        span_names,
        peers,
        peer_names,
        is_resent,
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
    """A column of texts as codes and the texts they stand for; -1 for null."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    indices = encoded.indices
    if indices.null_count:
        indices = pc.fill_null(indices, -1)
    return indices.to_numpy(), encoded.dictionary.to_pylist()


def _peers(table: pa.Table) -> tuple[npt.NDArray[np.int32], list[str]]:
    """What `calls.peer_of` answers, as codes; each URL is looked at once."""
    peers, names = _first_texts(table, PEER)
    urls, texts = _first_texts(table, URL)
    if not texts:
        return peers, names
    numbers = {name: number for number, name in enumerate(names)}
    hosts = _numbered(numbers, [host_of_url(url) for url in texts])[urls]
    return np.where(peers >= 0, peers, hosts), list(numbers)


def _first_texts(table: pa.Table, keys: tuple[str, ...]) -> tuple[npt.NDArray[np.int32], list[str]]:
    """The first of these columns that is set and not empty in each row, as codes; -1: none is."""
    known = set(table.column_names)
    numbers: dict[str, int] = {}
    found: npt.NDArray[np.int32] | None = None
    for key in keys:
        if key not in known or table.column(key).null_count == table.num_rows:
            continue
        codes, texts = _codes(table.column(key))
        if found is not None or "" in texts:
            codes = _numbered(numbers, texts)[codes]
        else:
            numbers = {text: number for number, text in enumerate(texts)}
        found = codes if found is None else np.where(found >= 0, found, codes)
    return np.full(table.num_rows, -1, np.int32) if found is None else found, list(numbers)


def _numbered(numbers: dict[str, int], texts: Sequence[str | None]) -> npt.NDArray[np.int32]:
    """The number of each text, new ones added; -1 for empty ones, and once more for code -1."""
    codes = [numbers.setdefault(text, len(numbers)) if text else -1 for text in texts]
    return np.array([*codes, -1], np.int32)


def _is_resent(table: pa.Table) -> npt.NDArray[np.uint8]:
    """Whether each row says that it repeats an earlier request."""
    codes, _ = _first_texts(table, RESEND_COUNT)
    return (codes >= 0).astype(np.uint8)
