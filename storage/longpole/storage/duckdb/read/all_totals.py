"""Adds up critical-path time of every settled trace there is, when no condition picks any.

Sums and counts are one GROUP BY without a join. How many traces have a group, which takes
DuckDB longer than everything else, is counted here: a segment keeps the rows of a trace
together, so one pass over (trace, hash of the group) is enough. Rows that a later revision or
an unexplained span hides are few; they are taken off again. Where rows are folded into their
trace that one pass makes the sums too, which is less than having lists unnested.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longpole.model.ids import join_trace_id
from longpole.storage.answers import groups_schema
from longpole.storage.duckdb.read.part import Part, parts_of
from longpole.storage.duckdb.read.stored_rows import arrow
from longpole.storage.duckdb.snapshot import Snapshot

if TYPE_CHECKING:
    import duckdb

Ints: TypeAlias = npt.NDArray[np.int64]
_T = TypeVar("_T")
_Codes: TypeAlias = npt.NDArray[np.int32] | Ints
_Rows: TypeAlias = Mapping[str, npt.NDArray[np.uint64]]
ROWS_AT_A_TIME = 2_000_000
_TRACES_AT_A_TIME = 245_760  # two of DuckDB's row groups
_MOST_CELLS = 1 << 25  # of the table of traces and groups
_CELLS_A_ROW = 100  # so many cells take about as long as sorting one row
_LENGTH = "end_unix_nano - start_unix_nano"
_STRIDE = 255  # as many ones as fit in a byte
_RUN = ("trace_hi", "trace_lo", "revision")
_EVERY_REVISION = 1 << 32


def groups_of_all(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, group_by: Sequence[str]
) -> pa.Table | None:
    """`PathTotals.groups` of all settled traces; None when two groups have one hash."""
    schema = groups_schema(group_by)
    parts = parts_of(snapshot, "path_segments")
    names = "".join(f"{name}, " for name in group_by)
    key = f"hash({', '.join(group_by)})" if group_by else "CAST(0 AS UBIGINT)"
    union = " UNION ALL ".join(_lengths(part, names) for part in parts)
    if not parts:
        return schema.empty_table()
    groups = arrow(
        connection,
        f"SELECT {names}{key} AS key, CAST(sum(length) AS BIGINT) AS critical_ns,"
        f" CAST(sum(n) AS BIGINT) AS segment_count FROM ({union})"
        f" GROUP BY {', '.join(group_by) or '()'} HAVING count(*) > 0",
    )
    keys = groups.column("key").combine_chunks()
    if len(pc.unique(keys)) < len(keys):
        return None
    hidden = _hidden(snapshot)
    tally = _Tally(keys, hidden)
    run = _RUN if hidden else _RUN[:2]
    pieces = (
        (number, rows)
        for number, part in enumerate(parts)
        for rows in _pieces(connection, part, run, key)
    )
    for number, rows in _one_ahead(pieces):
        tally.begin_part(number)
        if isinstance(rows, _Folded):
            tally.add_folded(rows, is_summed=parts[number].is_all_folded("path_segments"))
        else:
            tally.add(rows)
    counts = {
        "critical_ns": groups.column("critical_ns").to_numpy() + tally.further_ns,
        "segment_count": groups.column("segment_count").to_numpy() + tally.further_segments,
        "trace_count": tally.traces,
    }
    table = groups.select(list(group_by))
    for name, values in counts.items():
        table = table.append_column(name, pa.array(values))
    table = table.filter(pa.array(counts["segment_count"] > 0))
    # Within equal times by name, names that are missing last: as the other engines do.
    order = [("critical_ns", "descending"), *((name, "ascending") for name in group_by)]
    return table.select(schema.names).cast(schema).sort_by(order)


def _hidden(snapshot: Snapshot) -> dict[int, int]:
    """Up to which revision the rows of a trace do not count."""
    held = (snapshot.superseded.column(n).to_pylist() for n in ("trace_hi", "trace_lo", "revision"))
    hidden = {join_trace_id(hi, lo): revision for hi, lo, revision in zip(*held, strict=True)}
    hidden.update(dict.fromkeys(snapshot.pending, _EVERY_REVISION))
    return hidden


def _lengths(part: Part, names: str) -> str:
    """Lengths of rows of a part; of one that is folded only the groups, with nothing in them."""
    if part.segment is not None and part.is_all_folded("path_segments"):
        return f"SELECT {names}0 AS length, 0 AS n FROM {part.plain('path_kinds')}"
    return f"SELECT {names}{_LENGTH} AS length, 1 AS n FROM {part.relation('path_segments')}"


@dataclass(frozen=True)
class _Folded:
    """Some traces of a part with their rows: `run` and `counts` have one value for each trace,
    `places` and `ends` one for each row, `keys` one for each place of the dictionary."""

    run: Sequence[npt.NDArray[np.uint64]]
    counts: Ints
    places: npt.NDArray[np.int32]
    ends: Ints
    keys: pa.Array


def _pieces(
    connection: duckdb.DuckDBPyConnection, part: Part, run: Sequence[str], key: str
) -> Iterator[_Rows | _Folded]:
    """The rows of a part in the order of traces, in pieces of bounded size."""
    # Without hidden rows a trace has one revision, and only who has what group matters.
    length = [f"{_LENGTH} AS length"] if "revision" in run else []
    columns = ", ".join([*run, *length, f"{key} AS key"])
    if part.segment is not None and part.segment.folding is not None:
        yield from _folded_pieces(connection, part, run, key)
        if part.is_all_folded("path_segments"):
            return
    # What is folded was read just now.
    table = part.plain("path_segments")
    if part.segment is None:
        hot = _columns(arrow(connection, f"SELECT {columns} FROM {table}"))
        sorted_by = [hot[name] for name in _RUN if name in hot]
        order = np.lexsort(sorted_by[::-1])
        yield {name: values[order] for name, values in hot.items()}
        return
    count = arrow(connection, f"SELECT count(*) AS n FROM {table}").column("n")[0].as_py()
    for begin in range(0, count, ROWS_AT_A_TIME):
        end = begin + ROWS_AT_A_TIME
        where = "" if count <= ROWS_AT_A_TIME else f" WHERE rowid >= {begin} AND rowid < {end}"
        rows = _columns(arrow(connection, f"SELECT rowid AS place, {columns} FROM {table}{where}"))
        places = rows.pop("place").astype(np.int64) - begin
        # Segments are sorted by trace; threads hand their rows over in any order.
        yield rows if (places[1:] > places[:-1]).all() else _placed(rows, places)


def _folded_pieces(
    connection: duckdb.DuckDBPyConnection, part: Part, run: Sequence[str], key: str
) -> Iterator[_Folded]:
    kinds = arrow(connection, f"SELECT {key} AS key FROM {part.plain('path_kinds')} ORDER BY place")
    keys = kinds.column("key").combine_chunks()
    table = part.plain("traces")
    count = arrow(connection, f"SELECT count(*) AS n FROM {table}").column("n")[0].as_py()
    for begin in range(0, count, _TRACES_AT_A_TIME):
        # In any order: a row is one revision of one trace with all that it has.
        rows = arrow(
            connection,
            f"SELECT {', '.join(run)}, path_kinds, path_ends FROM {table}"
            f" WHERE rowid >= {begin} AND rowid < {begin + _TRACES_AT_A_TIME}"
            " AND path_kinds IS NOT NULL",
        )
        lists = rows.column("path_kinds").combine_chunks()
        yield _Folded(
            [rows.column(name).to_numpy() for name in run],
            pc.list_value_length(lists).to_numpy().astype(np.int64),
            lists.flatten().to_numpy(),
            rows.column("path_ends").combine_chunks().flatten().to_numpy(),
            keys,
        )


def _one_ahead(pieces: Iterator[_T]) -> Iterator[_T]:
    """The same; the next piece is read while this one is counted."""
    with ThreadPoolExecutor(1, "longpole-totals") as reader:
        coming = reader.submit(next, pieces, None)
        while (piece := coming.result()) is not None:
            coming = reader.submit(next, pieces, None)
            yield piece


def _columns(rows: pa.Table) -> dict[str, npt.NDArray[np.uint64]]:
    return {name: rows.column(name).to_numpy() for name in rows.column_names}


def _placed(
    rows: Mapping[str, npt.NDArray[np.uint64]], places: Ints
) -> dict[str, npt.NDArray[np.uint64]]:
    placed = {}
    for name, values in rows.items():
        placed[name] = np.empty_like(values)
        placed[name][places] = values
    return placed


class _Tally:
    """How many traces have each group, and what the sums have to be changed by: hidden rows are
    taken off, folded ones added."""

    def __init__(self, keys: pa.Array, hidden: Mapping[int, int]) -> None:
        self.keys = keys
        self.traces: Ints = np.zeros(len(keys), np.int64)
        self.further_ns: Ints = np.zeros(len(keys), np.int64)
        self.further_segments: Ints = np.zeros(len(keys), np.int64)
        self._hidden = hidden
        self._hidden_lo = np.array([one & (1 << 64) - 1 for one in hidden], np.uint64)
        self._part = -1
        self._last: tuple[int, ...] | None = None
        self._last_codes: Ints = np.zeros(0, np.int64)

    def begin_part(self, number: int) -> None:
        """What comes is of that part; no trace goes on from one part into the next."""
        if number != self._part:
            self._part = number
            self._last = None

    def add(self, rows: Mapping[str, npt.NDArray[np.uint64]]) -> None:
        """Count a piece, whose first trace may be the last one of the piece before."""
        run = [rows[name] for name in _RUN if name in rows]
        if not run[0].size:
            return
        codes = pc.index_in(pa.array(rows["key"]), value_set=self.keys).to_numpy()
        is_new = np.logical_or.reduce([values[1:] != values[:-1] for values in run])
        starts = np.append(0, np.flatnonzero(is_new) + 1)
        sizes = np.diff(np.append(starts, codes.size))
        is_kept = None
        if self._hidden:
            is_kept = np.repeat(self._are_kept(*(values[starts] for values in run)), sizes)
        runs = np.repeat(np.arange(starts.size), sizes)
        if is_kept is not None:
            hidden = codes[~is_kept]
            np.subtract.at(self.further_ns, hidden, rows["length"][~is_kept].astype(np.int64))
            self.further_segments -= np.bincount(hidden, minlength=len(self.keys))
        self._count(starts, runs, codes, is_kept)
        self._go_on(run, starts, codes, is_kept)

    def add_folded(self, piece: _Folded, is_summed: bool) -> None:
        """Count traces whose rows are there as a whole; add up also, if `is_summed`."""
        self._last = None
        code_of = pc.index_in(piece.keys, value_set=self.keys).to_numpy().astype(np.int64)
        codes, counts = code_of[piece.places], piece.counts
        starts = np.cumsum(counts) - counts
        lengths = np.diff(piece.ends, prepend=0)
        firsts = starts[counts > 0]
        lengths[firsts] = piece.ends[firsts]
        is_kept = None
        if self._hidden:
            is_kept = np.repeat(self._are_kept(*piece.run), counts)
        if is_summed:
            kept, of_kept = (
                (codes, lengths) if is_kept is None else (codes[is_kept], lengths[is_kept])
            )
            np.add.at(self.further_ns, kept, of_kept)
            self.further_segments += np.bincount(kept, minlength=len(self.keys))
        elif is_kept is not None:
            np.subtract.at(self.further_ns, codes[~is_kept], lengths[~is_kept])
            self.further_segments -= np.bincount(codes[~is_kept], minlength=len(self.keys))
        if codes.size:
            self._count(
                firsts, np.repeat(np.arange(firsts.size), counts[counts > 0]), codes, is_kept
            )

    def _are_kept(
        self,
        hi: npt.NDArray[np.uint64],
        lo: npt.NDArray[np.uint64],
        revision: npt.NDArray[np.uint64],
    ) -> npt.NDArray[np.bool_]:
        kept = np.ones(hi.size, np.bool_)
        for place in np.flatnonzero(np.isin(lo, self._hidden_lo)).tolist():
            through = self._hidden.get(join_trace_id(int(hi[place]), int(lo[place])), 0)
            kept[place] = int(revision[place]) > through
        return kept

    def _count(
        self, starts: Ints, runs: Ints, codes: _Codes,
        is_kept: npt.NDArray[np.bool_] | None,
    ) -> None:  # fmt: skip
        groups = len(self.keys)
        if starts.size * groups > _CELLS_A_ROW * codes.size:
            cells = runs * groups + codes
            distinct = np.unique(cells if is_kept is None else cells[is_kept])
            self.traces += np.bincount(distinct % groups, minlength=groups)
            return
        step = max(1, _MOST_CELLS // groups)
        edges = np.append(starts, codes.size)
        for first in range(0, starts.size, step):
            last = min(first + step, starts.size)
            own = slice(int(edges[first]), int(edges[last]))
            cells = (runs[own] - first) * groups + codes[own]
            has = np.zeros(-(-(last - first) // _STRIDE) * _STRIDE * groups, np.uint8)
            has[cells if is_kept is None else cells[is_kept[own]]] = 1
            by_stride = has.reshape(-1, _STRIDE, groups).sum(axis=1, dtype=np.uint8)
            self.traces += by_stride.sum(axis=0, dtype=np.int64)

    def _go_on(
        self, run: Sequence[npt.NDArray[np.uint64]], starts: Ints, codes: _Codes,
        is_kept: npt.NDArray[np.bool_] | None,
    ) -> None:  # fmt: skip
        """Take off what was counted for this first trace already, and keep the last one's."""
        edges = np.append(starts, codes.size)
        first, last = (tuple(int(values[place]) for values in run) for place in (0, -1))
        before: Ints = np.zeros(0, np.int64)
        if first == self._last:
            before = self._last_codes
            own = _kept_codes(codes, is_kept, slice(0, int(edges[1])))
            self.traces[np.intersect1d(own, before)] -= 1
        self._last = last
        own = _kept_codes(codes, is_kept, slice(int(edges[-2]), None))
        is_one_run = last == first
        self._last_codes = np.union1d(own, before) if is_one_run else own


def _kept_codes(codes: _Codes, is_kept: npt.NDArray[np.bool_] | None, rows: slice) -> Ints:
    own = codes[rows] if is_kept is None else codes[rows][is_kept[rows]]
    return np.unique(own).astype(np.int64)
