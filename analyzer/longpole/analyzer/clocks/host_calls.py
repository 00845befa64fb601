"""Host calls: synchronous calls between two hosts, and what each says of their clocks.

    client on A   |-------------------|            low = client start - server start
    server on B        |--------|                  high = client end - server end

Whatever between `low` and `high` is added to the clock of B lets the server span fit into the
call that it answers, so every call gives an interval for the difference of two clocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longpole.analyzer.clock_shift import CLOCK, SMALLEST_SHIFT_NS
from longpole.model.span import SpanKind, StatusCode
from longpole.storage.ports import WholeTraces

Ints = npt.NDArray[np.int64]
Ids = npt.NDArray[np.uint64]

_CLIENT, _SERVER = int(SpanKind.CLIENT), int(SpanKind.SERVER)
_ERROR = int(StatusCode.ERROR)
# Odd numbers that spread ids and trace numbers over 64 bits.
_SPREAD, _SPREAD_TRACE = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


@dataclass(frozen=True, slots=True)
class HostCalls:
    """One entry per call. `callers` and `callees` are codes into `hosts`; `starts` are those of
    the CLIENT spans; `keys` stand for the call itself, the same whenever it is read. `is_hard`:
    the server began before it was called, or after the call had ended, which no true clocks
    say, while an answer that only ends late may belong to a server that closes its span late.
    """

    hosts: tuple[str, ...]
    callers: Ints
    callees: Ints
    starts: Ints
    lows: Ints
    highs: Ints
    keys: Ids
    is_hard: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return int(self.callers.size)


def host_calls(whole: WholeTraces) -> HostCalls:
    """The calls in these traces that are evidence: a SERVER span below a CLIENT span of another
    host that is at least as long.

    Hosts that spans do not name are never different. Messages and spans of other kinds prove
    nothing, and neither does a call that failed when its answer ends late (it may have been
    given up), nor an id that several CLIENT spans of a trace share. Needs the `CLOCK`
    attributes in `whole.spans`.
    """
    table = whole.spans
    kinds = _column(table, "kind")
    servers = np.flatnonzero(kinds == _SERVER)
    clients = np.flatnonzero(kinds == _CLIENT)
    if not servers.size or not clients.size:
        return _nothing()
    servers, callers = _answered(table, servers, clients)
    starts, durations = _column(table, "start_unix_nano"), _column(table, "duration_ns")
    ends = starts + durations
    with np.errstate(over="ignore"):
        lows, highs = starts[callers] - starts[servers], ends[callers] - ends[servers]
    failed = _column(table, "status_code")[callers] == _ERROR
    is_evidence = (
        (starts[servers] >= 0) & (starts[callers] >= 0)
        & (durations[servers] >= 0) & (ends[callers] >= starts[callers])
        & (ends[servers] >= starts[servers])
        & (durations[servers] <= durations[callers])
        & ~(failed & (highs < 0))
    )  # fmt: skip
    servers, callers = servers[is_evidence], callers[is_evidence]
    lows, highs = lows[is_evidence], highs[is_evidence]
    codes, hosts = clock_codes(table, np.concatenate([callers, servers]))
    caller_codes, callee_codes = codes[: callers.size], codes[callers.size :]
    is_apart = (caller_codes >= 0) & (callee_codes >= 0) & (caller_codes != callee_codes)
    servers, callers = servers[is_apart], callers[is_apart]
    lows, highs = lows[is_apart], highs[is_apart]
    span_ids, low_ids = _column(table, "span_id"), _column(table, "trace_lo")
    return HostCalls(
        hosts,
        caller_codes[is_apart],
        callee_codes[is_apart],
        starts[callers],
        lows,
        highs,
        (span_ids[servers] * _SPREAD) ^ (low_ids[servers] * _SPREAD_TRACE),
        (lows >= SMALLEST_SHIFT_NS) | (starts[servers] >= ends[callers]),
    )


def trace_times(whole: WholeTraces) -> list[int]:
    """When each trace began, for whoever looks for the clocks of that time: the earliest start
    of a span without a parent, else of any span; 0 without spans. As sent."""
    numbers, count = trace_numbers(whole.spans), len(whole.traces)
    starts = _column(whole.spans, "start_unix_nano")
    runs = int(numbers[-1]) + 1 if numbers.size else 0
    latest = np.iinfo(np.int64).max
    times = np.full((2, runs), latest)
    np.minimum.at(times[0], numbers, starts)
    is_top = _column(whole.spans, "parent_span_id") == 0
    np.minimum.at(times[1], numbers[is_top], starts[is_top])
    found: list[int] = np.where(times[1] < latest, times[1], times[0]).tolist()
    if runs == count:
        return found
    firsts = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))[:runs]
    hi, lo = _column(whole.spans, "trace_hi"), _column(whole.spans, "trace_lo")
    by_id = {
        int(hi[row]) << 64 | int(lo[row]): time
        for row, time in zip(firsts.tolist(), found, strict=True)
    }
    return [by_id.get(state.trace_id, 0) for state in whole.traces]


def _answered(table: pa.Table, servers: Ints, clients: Ints) -> tuple[Ints, Ints]:
    """The servers that answer a CLIENT span of their trace, and that span: the one that shares
    their id (as Zipkin has it), else their parent."""
    numbers = trace_numbers(table)
    span_ids, parent_ids = _column(table, "span_id"), _column(table, "parent_span_id")
    keys = _mixed(span_ids[clients], numbers[clients])
    order = np.argsort(keys, kind="stable")
    keys, clients = keys[order], clients[order]
    is_alone = np.ones(keys.size, np.bool_)
    is_same = keys[1:] == keys[:-1]
    is_alone[1:][is_same] = False
    is_alone[:-1][is_same] = False

    def looked_up(ids: Ids) -> Ints:
        wanted = _mixed(ids, numbers[servers])
        at = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
        found = clients[at]
        is_found = (
            (keys[at] == wanted) & is_alone[at] & (span_ids[found] == ids)
            & (numbers[found] == numbers[servers])
        )  # fmt: skip
        return np.where(is_found, found, -1)

    own, above = looked_up(span_ids[servers]), looked_up(parent_ids[servers])
    callers = np.where(own >= 0, own, above)
    is_answer = callers >= 0
    return servers[is_answer], callers[is_answer]


def _mixed(ids: Ids, numbers: Ints) -> Ids:
    return (ids * _SPREAD) ^ (numbers.astype(np.uint64) * _SPREAD_TRACE)


def trace_numbers(table: pa.Table) -> Ints:
    """0 for the spans of the first trace, 1 for those of the second, and so on."""
    hi, lo = _column(table, "trace_hi"), _column(table, "trace_lo")
    numbers = np.zeros(hi.size, np.int64)
    np.cumsum((hi[1:] != hi[:-1]) | (lo[1:] != lo[:-1]), out=numbers[1:])
    return numbers


def clock_codes(table: pa.Table, rows: Ints | None = None) -> tuple[Ints, tuple[str, ...]]:
    """The host whose clock each of these rows bears, as codes; -1 where no attribute says."""
    chosen = [table.column(key) for key in CLOCK if key in set(table.column_names)]
    count = table.num_rows if rows is None else rows.size
    texts = None
    for column in chosen:
        if column.null_count == len(column):
            continue
        one = column.combine_chunks()
        if isinstance(one, pa.ChunkedArray):
            one = one.chunk(0)
        if rows is not None:
            one = one.take(pa.array(rows))
        one = pc.if_else(pc.not_equal(one, ""), one, pa.scalar(None, pa.string()))
        texts = one if texts is None else pc.coalesce(texts, one)
    if texts is None:
        return np.full(count, -1, np.int64), ()
    encoded = texts.dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    return codes.astype(np.int64), tuple(encoded.dictionary.to_pylist())


def _column(table: pa.Table, name: str) -> npt.NDArray[Any]:
    column: npt.NDArray[Any] = table.column(name).to_numpy()
    return column


def _nothing() -> HostCalls:
    none = np.zeros(0, np.int64)
    return HostCalls(
        (), none, none, none, none, none, none.astype(np.uint64), none.astype(np.bool_)
    )
