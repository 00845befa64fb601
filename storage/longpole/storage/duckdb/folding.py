"""Folds the path segments and RED rows of traces into their rows of `traces`, on whole columns.

See `folded` for what comes out. Whatever could not be given back exactly is left as it is: a trace
is folded only if its rows can be worked out of its lists again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longpole.model import columns
from longpole.model.span import StatusCode
from longpole.storage.duckdb.folded import (
    DICTIONARIES,
    MOST_ENTRIES,
    TRACES,
    Dictionary,
)

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.uint64]

_KEY = ("trace_hi", "trace_lo", "revision")
_STEP = columns.RED_STEP_NS
_BUCKETS = len(columns.RED_BOUNDS_NS) + 1
_ERROR = int(StatusCode.ERROR)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_MOST_STEPS = 900_000_000  # in nanoseconds they still fit in 64 bits
_MOST_CALLS = 1 << 48  # in one bucket, so that all buckets together fit


def _dictionaries() -> dict[str, Dictionary]:
    return {name: Dictionary(name) for name in DICTIONARIES}


@dataclass(slots=True)
class Folder:
    """Folds the tables of one file, chunk after chunk; they share its dictionaries."""

    dictionaries: dict[str, Dictionary] = field(default_factory=_dictionaries)

    def fold(self, tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        """The same derived tables, each sorted by trace, with as much as possible in the lists of
        `traces`; every row is in them or still where it was."""
        traces = tables["traces"].combine_chunks()
        segment_rows = _Rows.of(traces, tables["path_segments"])
        path, segments = self._path(segment_rows, traces.column("root_span_id").to_numpy())
        red, left = self._red(_Rows.of(traces, tables["red"]))
        through, unsettled = _through(_Rows.of(traces, tables["settlements"]))
        whole = [*(traces.column(name) for name in columns.TRACES.names), through, *path, *red]
        return {
            **tables,
            "traces": pa.Table.from_arrays(whole, schema=TRACES),
            "settlements": unsettled,
            "path_segments": segments,
            "red": left,
        }

    def places_of(self, name: str, entries: pa.Table) -> Ints | None:
        """Where the entries of another file's dictionary are in that of this file; None when it
        has no room for all of them."""
        found = self._placed(name, entries.drop_columns(["place"]))
        return None if (found < 0).any() else found

    def _path(self, rows: _Rows, roots: Ids) -> tuple[list[pa.Array], pa.Table]:
        begin, owners, is_bad = rows.begin, rows.owners, rows.is_bad
        start, end = rows.numbers("start_unix_nano"), rows.numbers("end_unix_nano")
        is_first = _changes(owners)
        before = np.where(is_first, begin, np.roll(end, 1))
        is_bad |= (start != before) | (end < start) | (end - begin < 0)
        kinds = self._places("path_kinds", rows)
        span_ids = rows.table.column("span_id").to_numpy()
        # Most paths begin and end in the root, which is named beside them.
        others = np.flatnonzero(span_ids != np.append(roots, 0)[owners])
        spans, is_new = np.zeros(owners.size, np.int64), np.zeros(owners.size, np.bool_)
        spans[others], is_new[others], is_bad[others] = _numbered(
            span_ids[others], owners[others], is_bad[others]
        )
        kept, counts = rows.kept()
        new = kept & is_new
        lists = [
            _lists(counts, kinds[kept].astype(np.uint16)),
            _lists(counts, spans[kept].astype(np.uint16)),
            _lists(counts, (end - begin)[kept]),
            _lists(rows.per_owner(new), span_ids[new]),
        ]
        return lists, rows.left(kept)

    def _red(self, rows: _Rows) -> tuple[list[pa.Array], pa.Table]:
        is_bad = rows.is_bad
        first_step = rows.begin - np.fmod(rows.begin, _STEP)
        step = rows.numbers("step_unix_nano")
        steps = (step - first_step) // _STEP
        is_bad |= (first_step + steps * _STEP != step) | (np.abs(steps) > _MOST_STEPS)
        is_bad |= (steps >= 0) != (step >= first_step)  # the difference has more than 64 bits
        count, status = rows.numbers("count"), rows.numbers("status_code")
        is_bad |= rows.numbers("errors") != np.where(status == _ERROR, count, 0)
        kinds = self._places("red_kinds", rows)
        buckets = self._bucket_places(rows, count)
        kept, counts = rows.kept()
        critical = rows.numbers("critical_ns")
        has_time = critical != 0
        timed = rows.per_owner(kept & has_time)
        # Rows with time on the path come first, so that the list of those times ends with them.
        order = _ahead(rows.owners[kept], has_time[kept], counts, timed)
        lists = [
            _lists(counts, kinds[kept].astype(np.uint16)[order]),
            _lists(counts, steps[kept].astype(np.int32)[order]),
            _lists(counts, buckets[kept].astype(np.uint16)[order]),
            _lists(counts, rows.numbers("duration_sum_ns")[kept][order]),
            _lists(timed, critical[kept & has_time]),
        ]
        return lists, rows.left(kept)

    def _places(self, name: str, rows: _Rows) -> Ints:
        """The place of each row in that dictionary; where it has none the row is bad."""
        names = DICTIONARIES[name].names[1:]
        codes, firsts = _distinct([rows.table.column(one) for one in names])
        # With more different ones most rows stay plain anyhow.
        some = rows.table.select(names).take(pa.array(firsts[:MOST_ENTRIES]))
        places = np.full(firsts.size, -1, np.int64)
        places[:MOST_ENTRIES] = self._placed(name, some)
        found = places[codes]
        rows.is_bad |= found < 0
        return found

    def _bucket_places(self, rows: _Rows, count: Ints) -> Ints:
        places = np.full(count.size, -1, np.int64)
        lists = rows.table.column("bucket_counts").combine_chunks()
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
        flat = lists.flatten()
        if flat.null_count or (lengths != _BUCKETS).any():
            rows.is_bad[:] = True
            return places
        matrix = flat.to_numpy().reshape(-1, _BUCKETS)
        is_odd = (matrix.min(axis=1) < 0) | (matrix.max(axis=1) > _MOST_CALLS)
        is_odd |= matrix.sum(axis=1) != count
        # Nearly every row counts one call: then its bucket says it all.
        is_one = (count == 1) & ~is_odd
        buckets = matrix.argmax(axis=1)
        for bucket in np.unique(buckets[is_one]).tolist():
            one = tuple(int(place == bucket) for place in range(_BUCKETS))
            places[is_one & (buckets == bucket)] = self._bucket_place(one)
        others = ~is_one & ~is_odd
        data = pa.py_buffer(np.ascontiguousarray(matrix[others]))
        encoded = pa.Array.from_buffers(
            pa.binary(8 * _BUCKETS), int(others.sum()), [None, data]
        ).dictionary_encode()
        patterns = np.frombuffer(b"".join(encoded.dictionary.to_pylist()), np.int64)
        found = [self._bucket_place(tuple(p)) for p in patterns.reshape(-1, _BUCKETS).tolist()]
        places[others] = np.array(found, np.int64)[encoded.indices.to_numpy()]
        rows.is_bad |= places < 0
        return places

    def _bucket_place(self, counts: tuple[int, ...]) -> int:
        return self.dictionaries["red_buckets"].place((sum(counts), counts))

    def _placed(self, name: str, entries: pa.Table) -> Ints:
        dictionary = self.dictionaries[name]
        values = [entries.column(place).to_pylist() for place in range(entries.num_columns)]
        if name == "red_buckets":
            values[1] = [tuple(counts) for counts in values[1]]
        return np.array([dictionary.place(entry) for entry in zip(*values, strict=True)], np.int64)


def moved(traces: pa.Table, moves: Mapping[str, Ints]) -> pa.Table:
    """Folded traces of one file with the places that their dictionary entries have in another."""
    for name, places in moves.items():
        lists = traces.column(name).combine_chunks()
        counts = pc.list_value_length(lists).to_numpy()
        values = places.astype(np.uint16)[lists.flatten().to_numpy()]
        at = traces.schema.get_field_index(name)
        traces = traces.set_column(at, traces.schema.field(at), _lists(counts, values))
    return traces


@dataclass(slots=True)
class _Rows:
    """Rows by owner, which is a row of `traces`, and which of them cannot be folded so far. Rows
    without an owner have one that is behind the last; `begin` is the start of the owner."""

    table: pa.Table
    owners: Ints
    begin: Ints
    is_bad: Bools
    traces: int
    others: pa.Table  # rows that nothing is worked out of, since something is missing in them

    @classmethod
    def of(cls, traces: pa.Table, table: pa.Table) -> _Rows:
        table = table.combine_chunks()
        # Not a slice, which would keep all of them in memory.
        others = table.schema.empty_table()
        full = [table.column(name) for name in table.column_names if name != "peer_service"]
        if any(column.null_count for column in full):
            table, others = others, table
        owners = _owners(traces, table)
        if (owners[1:] < owners[:-1]).any():
            order = np.argsort(owners, kind="stable")
            table, owners = table.take(pa.array(order)), owners[order]
        begin = np.append(traces.column("start_unix_nano").to_numpy(), 0)[owners]
        return cls(table, owners, begin, owners == traces.num_rows, traces.num_rows, others)

    def numbers(self, name: str) -> Ints:
        return np.asarray(self.table.column(name).to_numpy())

    def per_owner(self, chosen: Bools, more: int = 0) -> Ints:
        """How many of these rows each trace has, and so many owners behind the last."""
        counts: Ints = np.bincount(self.owners[chosen], minlength=self.traces + more)
        return counts

    def kept(self) -> tuple[Bools, Ints]:
        """The rows of traces without a bad row, and how many each trace has."""
        is_whole = np.ones(self.traces + 1, np.bool_)
        is_whole[self.owners[self.is_bad]] = False
        kept = is_whole[self.owners]
        return kept, self.per_owner(kept)

    def left(self, kept: Bools) -> pa.Table:
        """The rows that stay as they are."""
        if kept.all():
            return self.others
        return pa.concat_tables([self.table.filter(pa.array(~kept)), self.others])


def _owners(traces: pa.Table, rows: pa.Table) -> Ints:
    """Which row of `traces` each row belongs to; their number for none, or for several."""
    none = traces.num_rows
    if not rows.num_rows or not none:
        return np.full(rows.num_rows, none, np.int64)
    keys = [rows.column(name).to_numpy() for name in _KEY]
    is_first = np.logical_or.reduce([_changes(key) for key in keys])
    runs = [key[is_first] for key in keys]
    held = [traces.column(name).to_numpy() for name in _KEY]
    wanted, known = _mixed(runs), _mixed(held)
    order = np.argsort(known, kind="stable")
    known = known[order]
    at = np.minimum(np.searchsorted(known, wanted), none - 1)
    found = order[at]
    is_right = np.logical_and.reduce([own == of[found] for own, of in zip(runs, held, strict=True)])
    is_same = known[1:] == known[:-1]
    is_right &= ~(np.append(is_same, False) | np.append(False, is_same))[at]
    owners: Ints = np.where(is_right, found, none)[np.cumsum(is_first) - 1]
    return owners


def _mixed(key: Sequence[npt.NDArray[np.generic]]) -> Ids:
    """A number for each key; two keys may have the same."""
    hi, lo, revision = (part.astype(np.uint64) for part in key)
    mixed: Ids = ((hi * _MIX) ^ lo) * _MIX + revision
    return mixed


def _changes(values: npt.NDArray[np.generic]) -> Bools:
    """Where a value differs from the one before it; the first does."""
    found = np.ones(values.size, np.bool_)
    found[1:] = values[1:] != values[:-1]
    return found


def _distinct(chunks: Sequence[pa.ChunkedArray]) -> tuple[Ints, Ints]:
    """A number for each row, the same where all columns are the same, counted from 0 in order of
    appearance; and the row where each number appears first."""
    codes: Ints = np.zeros(len(chunks[0]), np.int64)
    size = 1
    for chunk in chunks:
        encoded = pc.dictionary_encode(chunk.combine_chunks(), null_encoding="encode")
        own = max(1, len(encoded.dictionary))
        if size * own >= 1 << 62:
            codes = _renumbered(codes)
            size = int(codes.max(initial=0)) + 1
        codes = codes * own + encoded.indices.to_numpy()
        size *= own
    codes = _renumbered(codes)
    return codes, np.flatnonzero(_are_new(codes))


def _renumbered(codes: npt.NDArray[np.generic]) -> Ints:
    """The same as numbers from 0, in order of appearance."""
    numbers: Ints = pa.array(codes).dictionary_encode().indices.to_numpy().astype(np.int64)
    return numbers


def _are_new(codes: Ints) -> Bools:
    """Which codes appear for the first time, of codes that are counted in order of appearance."""
    return _changes(np.maximum.accumulate(codes)) if codes.size else np.zeros(0, np.bool_)


def _through(rows: _Rows) -> tuple[pa.Array, pa.Table]:
    """The row id that each trace is explained through, null where that is not known, and the
    settlements that say it of no trace, or in vain."""
    rows.is_bad |= rows.per_owner(np.ones(rows.owners.size, np.bool_), 1)[rows.owners] > 1
    kept, counts = rows.kept()
    through = np.zeros(rows.traces, np.uint64)
    through[rows.owners[kept]] = rows.table.column("through_row_id").to_numpy()[kept]
    return pa.array(through, mask=counts == 0), rows.left(kept)


def _numbered(span_ids: Ids, owners: Ints, is_bad: Bools) -> tuple[Ints, Bools, Bools]:
    """Which of the spans of its owner each row names, counted from 1 in order of appearance;
    whether it is the first row to name it; and for which rows that, too, cannot be said."""
    codes = _renumbered(span_ids ^ owners.astype(np.uint64) * _MIX)
    is_new, is_first = _are_new(codes), _changes(owners)
    firsts = np.flatnonzero(is_new)[codes]
    # Two spans may have one code after all; their traces stay plain.
    is_odd = (owners[firsts] != owners) | (span_ids[firsts] != span_ids)
    # The codes of one owner follow each other, after those of the owners before.
    base = (np.cumsum(is_new) - 1)[is_first][np.cumsum(is_first) - 1]
    numbers: Ints = codes - base + 1
    is_odd |= (numbers < 1) | (numbers >= MOST_ENTRIES)
    return numbers, is_new, is_bad | is_odd


def _ahead(owners: Ints, is_ahead: Bools, counts: Ints, ahead: Ints) -> Ints:
    """The order that puts rows that are ahead before the others of their owner. Owners ascend;
    `counts` and `ahead` are how many rows each has, and how many ahead."""
    everyone = np.arange(owners.size)
    begins = (np.cumsum(counts) - counts)[owners]
    of_ahead = np.cumsum(is_ahead) - is_ahead - (np.cumsum(ahead) - ahead)[owners]
    of_others = everyone - begins - of_ahead
    order = np.empty_like(everyone)
    order[begins + np.where(is_ahead, of_ahead, ahead[owners] + of_others)] = everyone
    return order


def _lists(counts: Ints, values: npt.NDArray[np.generic]) -> pa.Array:
    offsets = np.zeros(counts.size + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))
