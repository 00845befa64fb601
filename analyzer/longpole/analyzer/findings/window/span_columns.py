"""The spans of many traces as NumPy columns, for rules that look at all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longpole.model.ids import join_trace_id
from longpole.model.span import SpanKind
from longpole.storage.ports import WHOLE_TRACE_COLUMNS, WholeTraces

Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

NO_ROW = -1
_MIX = np.uint64(0x9E3779B97F4A7C15)
_FARTHEST = (1 << 62) - 1
_DEEPEST = 63
_ENTRIES = (int(SpanKind.SERVER), int(SpanKind.CONSUMER))


@dataclass(frozen=True, slots=True)
class Words:
    """A column of texts: `codes` numbers into `texts`, -1 where there is none."""

    codes: Ints
    texts: tuple[str, ...]

    def of(self, row: int) -> str:
        """The text of one row, empty where there is none."""
        code = int(self.codes[row])
        return self.texts[code] if code >= 0 else ""

    def code_of(self, text: str) -> int:
        """The number of a text, -2 (equal to no code) for one that no row has."""
        return self.texts.index(text) if text in self.texts else -2

    def among(self, texts: frozenset[str] | set[str]) -> Bools:
        """Rows whose text is one of these."""
        wanted = np.array([text in texts for text in self.texts] + [False], dtype=np.bool_)
        return wanted[self.codes]

    def numbers(self) -> Ints:
        """Texts that are short decimal numbers as such, -1 elsewhere."""
        values = [
            int(t) if t.isascii() and t.isdecimal() and len(t) < 10 else -1 for t in self.texts
        ]
        return np.array([*values, -1], dtype=np.int64)[self.codes]


@dataclass(frozen=True, slots=True)
class SpanColumns:
    """One row a span, grouped by trace. `trace` numbers `trace_ids`; `parents` are rows, NO_ROW
    where the parent is not here. `is_inside`: the span starts in the window that was asked for.
    Times are Unix nanoseconds; no end lies before its start. `links` are pairs of rows: a span,
    and one it links to, in whatever trace."""

    trace_ids: tuple[int, ...]
    trace: Ints
    span_ids: npt.NDArray[np.uint64]
    parents: Ints
    starts: Ints
    ends: Ints
    kinds: Ints
    status: Ints
    service: Words
    name: Words
    is_inside: Bools
    links: tuple[Ints, Ints]
    table: pa.Table
    finder: RowFinder

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def durations(self) -> Ints:
        """Nanoseconds, never negative."""
        return self.ends - self.starts

    @property
    def is_entry(self) -> Bools:
        """Spans by which a request or a message enters a service."""
        return np.isin(self.kinds, _ENTRIES)

    def words(self, *keys: str) -> Words:
        """The first of several attributes that a span (or its resource) has and that is not
        empty."""
        columns = [self.table.column(key) for key in keys if key in self.table.column_names]
        return words_of(columns, len(self))

    def entries(self) -> Ints:
        """For each row the nearest entry span of the same service at or above it, else NO_ROW."""
        found = np.where(self.is_entry, np.arange(len(self)), NO_ROW)
        at = self.parents.copy()
        for _ in range(_DEEPEST):  # levels inside of one service
            open_rows = np.flatnonzero((found == NO_ROW) & (at != NO_ROW))
            if not len(open_rows):
                break
            above = at[open_rows]
            is_same = self.service.codes[above] == self.service.codes[open_rows]
            found[open_rows] = np.where(is_same & self.is_entry[above], above, NO_ROW)
            at[open_rows] = np.where(is_same, self.parents[above], NO_ROW)
        return found


def words_of(columns: Sequence[pa.ChunkedArray], count: int) -> Words:
    """Several text columns as one, the first that is not empty counts."""
    if not columns or not count:
        return Words(np.full(count, -1, dtype=np.int64), ())
    filled = [pc.if_else(pc.equal(column, ""), None, column) for column in columns]
    chosen = pc.coalesce(*filled) if len(filled) > 1 else filled[0]
    array: Any = chosen.combine_chunks() if isinstance(chosen, pa.ChunkedArray) else chosen
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], pa.string())
    encoded = array if isinstance(array, pa.DictionaryArray) else pc.dictionary_encode(array)
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return Words(codes, tuple(encoded.dictionary.to_pylist()))


def span_columns(parts: Sequence[WholeTraces], begin: int, end: int) -> SpanColumns:
    """The spans of these reads (each of other traces) as columns; `begin` and `end` bound what
    is inside of the window."""
    table = pa.concat_tables([part.spans for part in parts], promote_options="permissive")
    hi, lo = (_numbers(table, name, np.uint64) for name in ("trace_hi", "trace_lo"))
    is_new = np.ones(len(hi), dtype=np.bool_)
    is_new[1:] = (hi[1:] != hi[:-1]) | (lo[1:] != lo[:-1])
    trace = np.cumsum(is_new, dtype=np.int64) - 1
    firsts = np.flatnonzero(is_new)
    trace_ids = tuple(
        join_trace_id(int(h), int(low)) for h, low in zip(hi[firsts], lo[firsts], strict=True)
    )
    span_ids = _numbers(table, "span_id", np.uint64)
    starts = _numbers(table, "start_unix_nano", np.int64)
    durations = _numbers(table, "duration_ns", np.int64)
    ends = np.maximum(starts + durations, starts)  # what overflows has no duration to speak of
    is_inside = (starts >= begin) & (starts < end)
    # So that no difference between two times overflows.
    starts, ends = np.clip(starts, -_FARTHEST, _FARTHEST), np.clip(ends, -_FARTHEST, _FARTHEST)
    finder = RowFinder(hi, lo, span_ids)
    parent_ids = _numbers(table, "parent_span_id", np.uint64)
    parents = finder.rows(hi, lo, parent_ids)
    parents[(parent_ids == 0) | (parents == np.arange(len(parents)))] = NO_ROW
    return SpanColumns(
        trace_ids=trace_ids,
        trace=trace,
        span_ids=span_ids,
        parents=parents,
        starts=starts,
        ends=ends,
        kinds=_numbers(table, "kind", np.int64),
        status=_numbers(table, "status_code", np.int64),
        service=words_of([table.column("service_name")], len(hi)),
        name=words_of([table.column("name")], len(hi)),
        is_inside=is_inside,
        links=_links(parts, table, finder),
        table=table.drop_columns([n for n in WHOLE_TRACE_COLUMNS if n in table.column_names]),
        finder=finder,
    )


class RowFinder:
    """Finds the rows of spans by trace and span id; of several with one id, the first."""

    def __init__(
        self,
        hi: npt.NDArray[np.uint64],
        lo: npt.NDArray[np.uint64],
        span_ids: npt.NDArray[np.uint64],
    ) -> None:
        self._columns = (hi, lo, span_ids)
        keys = _mixed(hi, lo, span_ids)
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def rows(
        self,
        hi: npt.NDArray[np.uint64],
        lo: npt.NDArray[np.uint64],
        span_ids: npt.NDArray[np.uint64],
    ) -> Ints:
        """The row of each, NO_ROW for what is not here. Two ids with one hash (made on purpose)
        may hide each other, never stand for each other."""
        if not len(self._keys) or not len(span_ids):
            return np.full(len(span_ids), NO_ROW, dtype=np.int64)
        places = np.searchsorted(self._keys, _mixed(hi, lo, span_ids))
        rows: Ints = self._order[np.minimum(places, len(self._keys) - 1)].astype(np.int64)
        is_right = np.ones(len(rows), dtype=np.bool_)
        for own, asked in zip(self._columns, (hi, lo, span_ids), strict=True):
            is_right &= own[rows] == asked
        return np.where(is_right, rows, NO_ROW)


def _mixed(
    hi: npt.NDArray[np.uint64], lo: npt.NDArray[np.uint64], span_ids: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        mixed: npt.NDArray[np.uint64] = ((hi * _MIX) ^ lo) * _MIX ^ span_ids
    return mixed


def _links(parts: Sequence[WholeTraces], table: pa.Table, finder: RowFinder) -> tuple[Ints, Ints]:
    none = np.empty(0, dtype=np.int64)
    links = pa.concat_tables([part.links for part in parts])
    if not links.num_rows:
        return none, none
    row_ids = _numbers(table, "row_id", np.int64)
    order = np.argsort(row_ids, kind="stable")
    wanted = _numbers(links, "row_id", np.int64)
    places = np.minimum(np.searchsorted(row_ids[order], wanted), len(order) - 1)
    owners = order[places].astype(np.int64)
    linked = finder.rows(
        *(
            _numbers(links, name, np.uint64)
            for name in ("linked_trace_hi", "linked_trace_lo", "linked_span_id")
        )
    )
    is_known = (row_ids[owners] == wanted) & (linked != NO_ROW)
    return owners[is_known], linked[is_known]


def _numbers(table: pa.Table, name: str, dtype: Any) -> npt.NDArray[Any]:
    column = table.column(name).to_numpy()
    # Ids come as unsigned numbers, or as floats where nulls made them so; nulls mean none.
    if column.dtype.kind == "f":
        column = pc.fill_null(table.column(name), 0).to_numpy()
    numbers: npt.NDArray[Any] = column.astype(dtype)
    return numbers
