"""Searches in an order: the first traces of it are taken from derived rows, then those kept of
which a span matches. So a common condition needs a look at few spans, and a rare one at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longpole.model import columns
from longpole.model.query import TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.answers import FOUND_TRACES
from longpole.storage.duckdb.read.conditions import span_filter, trace_filter
from longpole.storage.duckdb.read.hot_rows import in_schema
from longpole.storage.duckdb.read.part import Part, parts_of
from longpole.storage.duckdb.read.search import (
    IDS,
    PENDING,
    ids_by_part,
    newest_unsettled,
    notices_of,
    overlaps,
    plain_rows,
)
from longpole.storage.duckdb.read.stored_rows import SAME_TRACE, WANTED, among_ids, arrow
from longpole.storage.duckdb.read.views import latest_only
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.query_checks import refuse_bad_regexes
from longpole.storage.search_ports import (
    CLOCK_SLACK_NS,
    MOST_UNSETTLED,
    ORDER_COLUMNS,
    SearchedTraces,
    TraceOrder,
)

if TYPE_CHECKING:
    import duckdb

_CHOSEN = "longpole_chosen"
# So often a list is made of the newest parts alone, before all are read.
_MOST_TRIES = 2
_FEW = 20_000
_SLACK = TimeRange().start_unix_nano + CLOCK_SLACK_NS


def search(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    order: TraceOrder,
    roots: TimeRange,
    most: int,
    enough: int,
    with_unsettled: bool,
) -> SearchedTraces:
    """Answer `TraceSearcher.search_traces`."""
    refuse_bad_regexes(query)
    most_unsettled = MOST_UNSETTLED if with_unsettled else 0
    unsettled, notices = _unsettled(connection, snapshot, query, roots, most_unsettled)
    notices += notices_of(snapshot, query)
    limit = (1 << 62) if query.limit is None else query.limit
    looked_at = None
    if not query.span_conditions:
        rows = _first(connection, snapshot, query, order, roots, limit + 1, unsettled)
    else:
        begun = _begun(connection, snapshot, query, order, roots, most + 1, unsettled)
        is_all = begun.num_rows <= most
        matching = _matching(connection, snapshot, query, begun.slice(0, most))
        if not is_all and matching.size < enough:
            rows = _first_of_all(connection, snapshot, query, order, roots, limit, unsettled)
        else:
            looked_at = None if is_all else most
            chosen = begun.take(pa.array(matching[: limit + 1]))
            rows = _whole(connection, snapshot, order, chosen, unsettled)
    found = rows.slice(0, limit)
    return SearchedTraces(found, found.num_rows < rows.num_rows, looked_at, notices)


def _unsettled(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    roots: TimeRange,
    most: int,
) -> tuple[pa.Table, tuple[str, ...]]:
    """Rows of the `most` newest traces that are not settled and meet the trace conditions;
    registers all that are not settled as `PENDING`."""
    if not snapshot.pending:
        return FOUND_TRACES.empty_table(), ()
    hi, lo = snapshot.pending.halves
    pending = pa.table({"trace_hi": hi, "trace_lo": lo}, schema=IDS)
    connection.register(PENDING, pending)
    if not most:
        return FOUND_TRACES.empty_table(), ()
    newest = newest_unsettled(connection, snapshot, pending, most)
    rows = plain_rows(connection, snapshot, query, newest)
    starts = rows.column("start_unix_nano").to_numpy()
    begun = (starts >= roots.start_unix_nano) & (starts < roots.end_unix_nano)
    left = pending.num_rows - newest.num_rows
    notices = (f"{left:,} older traces that are still receiving spans were not looked at",)
    return rows.filter(pa.array(begun)), notices if left > 0 else ()


def _first_of_all(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    order: TraceOrder,
    roots: TimeRange,
    limit: int,
    unsettled: pa.Table,
) -> pa.Table:
    """The first `limit + 1` of all traces of which a span matches.

    Of the newest ones no more is read than it takes: a span does not start long before its root.
    """
    enough = limit if order is TraceOrder.NEWEST else None
    tried = 0
    for ids, rest_before in ids_by_part(connection, snapshot, replace(query, limit=enough)):
        if rest_before is not None and tried == _MOST_TRIES:
            continue
        connection.register(_CHOSEN, ids)
        kept = unsettled.take(pa.array(_among(connection, unsettled)))
        rows = _first(
            connection,
            snapshot,
            query,
            order,
            roots,
            limit + 1,
            kept,
            _CHOSEN,
            is_few=ids is not None and ids.num_rows <= _FEW,
        )
        tried += 1
        starts = rows.column("start_unix_nano").to_numpy()
        if rest_before is not None and (starts > rest_before + CLOCK_SLACK_NS).sum() > limit:
            break
    return rows


def _first(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    order: TraceOrder,
    roots: TimeRange,
    count: int,
    unsettled: pa.Table,
    among: str = "",
    *,
    is_few: bool = False,
) -> pa.Table:
    """The first traces of an order, those of `unsettled` with them; of settled ones only those
    whose ids are in the relation `among`, when one is named. Where there are few, all their rows
    are read at once, without a look at what orders them."""
    parameters: list[object] = []
    where = f"{visible(snapshot, roots)} AND {trace_filter(query.trace_conditions, parameters)}"
    parts = [part for part in parts_of(snapshot, "traces") if part.may_begin_in(roots)]
    if not is_few:
        column = ORDER_COLUMNS[order]
        found = _candidates(connection, parts, order, where, parameters, count, among)
        keys, starts = (found.column(name).to_numpy() for name in (column, "start_unix_nano"))
        least = _least(keys, starts, count)
        if least is None:
            return _in_order(unsettled, order, count)
        key, start = least
        if order is TraceOrder.NEWEST:
            parts = [part for part in parts if part.newest_unix_nano >= start]
        where += f" AND ({column} > {key} OR ({column} = {key} AND start_unix_nano >= {start}))"
    settled = settled_rows(connection, parts, where, parameters, among)
    return _in_order(pa.concat_tables([settled, unsettled]), order, count)


def _begun(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    order: TraceOrder,
    roots: TimeRange,
    count: int,
    unsettled: pa.Table,
) -> pa.Table:
    """As `_first`, but only ids and what orders them: most of these traces are never shown."""
    parameters: list[object] = []
    where = f"{visible(snapshot, roots)} AND {trace_filter(query.trace_conditions, parameters)}"
    parts = [part for part in parts_of(snapshot, "traces") if part.may_begin_in(roots)]
    settled = _candidates(connection, parts, order, where, parameters, count, names=IDS.names)
    begun = pa.concat_tables([settled, unsettled.select(settled.column_names)])
    keys, starts = (begun.column(n).to_numpy() for n in (ORDER_COLUMNS[order], "start_unix_nano"))
    least = _least(keys, starts, count)
    if least is not None:  # to sort what is far behind takes longer than to leave it out
        is_among = (keys > least[0]) | ((keys == least[0]) & (starts >= least[1]))
        begun = begun.filter(pa.array(is_among))
    return _in_order(begun, order, count)


def _whole(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    order: TraceOrder,
    chosen: pa.Table,
    unsettled: pa.Table,
) -> pa.Table:
    """The whole rows of `chosen`, which is in order. Its last key keeps most others from being
    read, so that few are left to look up."""
    if not chosen.num_rows:
        return FOUND_TRACES.empty_table()
    column = ORDER_COLUMNS[order]
    starts = pc.min_max(chosen.column("start_unix_nano"))
    roots = TimeRange(starts["min"].as_py(), starts["max"].as_py() + 1)
    least = chosen.column(column)[chosen.num_rows - 1].as_py()
    where = f"{visible(snapshot, roots)} AND {column} >= {least}"
    parts = [part for part in parts_of(snapshot, "traces") if part.may_begin_in(roots)]
    connection.register(_CHOSEN, chosen.select(IDS.names))
    settled = settled_rows(connection, parts, where, [], _CHOSEN)
    kept = unsettled.take(pa.array(_among(connection, unsettled)))
    return _in_order(pa.concat_tables([settled, kept]), order, chosen.num_rows)


def visible(snapshot: Snapshot, roots: TimeRange) -> str:
    """SQL for "this derived row is the current one of a settled trace that begins in `roots`"."""
    checks = [f"s.start_unix_nano >= {roots.start_unix_nano}"]
    checks.append(f"s.start_unix_nano < {roots.end_unix_nano}")
    if snapshot.superseded.num_rows:
        checks.append(latest_only("s"))
    if snapshot.pending:
        checks.append(
            f"NOT EXISTS (SELECT 1 FROM {PENDING} p"
            " WHERE p.trace_hi = s.trace_hi AND p.trace_lo = s.trace_lo)"
        )
    return " AND ".join(checks)


def settled_rows(
    connection: duckdb.DuckDBPyConnection,
    parts: Sequence[Part],
    where: str,
    parameters: list[object],
    among: str,
) -> pa.Table:
    """Rows of `traces` in those parts, in no order, in the columns of `FoundTraces`."""
    if not parts:
        return FOUND_TRACES.empty_table()
    # By name, since old files lack the youngest columns.
    selects = [f"SELECT {_own(part)} FROM {part.plain('traces')} s WHERE {where}" for part in parts]
    union = " UNION ALL BY NAME ".join(selects)
    sql = f"SELECT * FROM ({union}) s {among_ids(among)}"
    rows = arrow(connection, sql, parameters * len(parts))
    for field in columns.TRACES:
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    fields = [FOUND_TRACES.field(name) for name in columns.TRACES.names]
    rows = in_schema(rows.select([field.name for field in fields]), pa.schema(fields))
    is_settled = pa.array(np.ones(rows.num_rows, np.bool_))
    return rows.append_column(FOUND_TRACES.field("is_settled"), is_settled)


def _own(part: Part) -> str:
    """The columns of a trace, without the lists of rows that are folded into it."""
    is_folded = part.segment is not None and part.segment.folding is not None
    return ", ".join(columns.TRACES.names) if is_folded else "*"


def _in_order(rows: pa.Table, order: TraceOrder, count: int) -> pa.Table:
    """The first `count` rows of that order."""
    column = ORDER_COLUMNS[order]
    by = [] if column == "start_unix_nano" else [(column, "descending")]
    by += [("start_unix_nano", "descending"), ("trace_hi", "ascending"), ("trace_lo", "ascending")]
    return rows.take(pc.sort_indices(rows, sort_keys=by).slice(0, count))


def _candidates(
    connection: duckdb.DuckDBPyConnection,
    parts: Sequence[Part],
    order: TraceOrder,
    where: str,
    parameters: list[object],
    count: int,
    among: str = "",
    names: Sequence[str] = (),
) -> pa.Table:
    """What orders traces (and `names`), of rows that are `where` and `among`; the first `count` of
    those parts are in there, in no order.

    In order of time the parts are read one by one, newest first, until none of what is left can
    come among the first: the page that is asked for most then reads one part of many. In another
    order the biggest part says from which key on rows are worth a look.
    """
    column = ORDER_COLUMNS[order]
    kept = list(dict.fromkeys([*names, column, "start_unix_nano"]))
    ids = [name for name in IDS.names if among and name not in kept]

    def read(some: Sequence[Part], columns: Sequence[str], condition: str) -> pa.Table:
        read_too = ", ".join([*columns, *ids])
        union = " UNION ALL ".join(
            f"SELECT {read_too} FROM {part.plain('traces')} s WHERE {condition}" for part in some
        )
        sql = f"SELECT {', '.join(columns)} FROM ({union}) s {among_ids(among)}"
        return arrow(connection, sql, parameters * len(some))

    found = [FOUND_TRACES.empty_table().select(kept)]
    if order is TraceOrder.NEWEST:
        starts: list[npt.NDArray[np.int64]] = []
        for part in parts:
            before = part.newest_unix_nano
            if sum(int((begun > before).sum()) for begun in starts) >= count:
                break
            found.append(read([part], kept, where))
            starts.append(found[-1].column("start_unix_nano").to_numpy())
    elif parts:
        keys = read([max(parts, key=_size)], [column], where).column(column).to_numpy()
        if keys.size >= count:
            where += f" AND {column} >= {np.partition(keys, keys.size - count)[keys.size - count]}"
        found.append(read(parts, kept, where))
    return pa.concat_tables(found)


def _size(part: Part) -> int:
    """How big a part is next to others; the hot tables come last."""
    return 0 if part.segment is None else part.segment.byte_count


def _least(
    keys: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], count: int
) -> tuple[int, int] | None:
    """The key and start from which on the first `count` rows lie, and few more; None for no
    rows. Partitioning a million keys is ten times as fast as letting SQL sort the rows."""
    if not keys.size:
        return None
    if keys.size <= count:
        return int(keys.min()), int(starts.min())
    key = np.partition(keys, keys.size - count)[keys.size - count]
    above = int((keys > key).sum())
    ties = starts[keys == key]
    wanted = count - above
    return int(key), int(np.partition(ties, ties.size - wanted)[ties.size - wanted])


def _matching(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, query: TraceQuery, begun: pa.Table
) -> npt.NDArray[np.int64]:
    """The places of those of which a span meets the span conditions, growing."""
    if not begun.num_rows:
        return np.empty(0, np.int64)
    connection.register(WANTED, _numbered(begun))
    first = max(pc.min(begun.column("start_unix_nano")).as_py(), _SLACK) - CLOCK_SLACK_NS
    begin = min(max(query.time.start_unix_nano, first), query.time.end_unix_nano)
    narrowed = replace(query, time=replace(query.time, start_unix_nano=begin))
    parameters: list[object] = []
    selects = [
        f"SELECT s.trace_hi, s.trace_lo FROM {part.plain('spans')} s"
        f" WHERE {span_filter(part, narrowed, snapshot.attribute_types, parameters)}"
        for part in parts_of(snapshot, "spans")
        if overlaps(part, narrowed)
    ]
    if not selects:
        return np.empty(0, np.int64)
    # Whoever has most rows is gone through once, against a small table of the others.
    sql = f"SELECT w.n FROM {WANTED} w SEMI JOIN ({' UNION ALL '.join(selects)}) s ON {SAME_TRACE}"
    found: npt.NDArray[np.int64] = np.sort(
        arrow(connection, sql, parameters).column("n").to_numpy()
    )
    return found


def _among(connection: duckdb.DuckDBPyConnection, rows: pa.Table) -> npt.NDArray[np.int64]:
    """The places of the rows whose ids are in `_CHOSEN`, growing."""
    if not rows.num_rows:
        return np.empty(0, np.int64)
    connection.register(WANTED, _numbered(rows))
    sql = f"SELECT n FROM {WANTED} SEMI JOIN {_CHOSEN} USING (trace_hi, trace_lo)"
    found: npt.NDArray[np.int64] = np.sort(arrow(connection, sql).column("n").to_numpy())
    return found


def _numbered(rows: pa.Table) -> pa.Table:
    """The ids of rows, and the place of each as `n`."""
    return rows.select(IDS.names).append_column("n", pa.array(np.arange(rows.num_rows)))
