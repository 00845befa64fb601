"""Parents by distance: a file of spans says of most parents how many rows away they are.

Nothing compresses span ids, and a file would have most of them twice, once for the span and once
for each of its children. The spans of a trace lie together, so a child can say where its parent is:

    span_id   parent_distance   parent_elsewhere   parent_span_id
    a1…       0                 0                  none
    b2…       -1                0                  a1…
    c3…       -2                0                  a1…
    d4…       0                 77…                77…, which is not in this file, or far away

With ten attributes a span that takes 65 bytes takes 58. Files of earlier versions have the
ids. Distances count rows as they are stored, so whoever leaves rows out has to say them anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    import duckdb

Ids: TypeAlias = npt.NDArray[np.uint64]
Rows: TypeAlias = npt.NDArray[np.int64]

TABLE = "spans"
PARENT = "parent_span_id"
DISTANCE, ELSEWHERE = "parent_distance", "parent_elsewhere"
ROW = "longpole_row"  # where a row is in its file
_FARTHEST = np.iinfo(np.int16).max
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def by_distance(spans: pa.Table) -> pa.Table:
    """Spans in the order of a file, traces together, with distances instead of parents."""
    span_ids, parents = (_numbers(spans, name) for name in ("span_id", PARENT))
    high, low = (_numbers(spans, name) for name in ("trace_hi", "trace_lo"))
    numbers = np.zeros(high.size, np.uint64)
    numbers[1:] = np.cumsum((high[1:] != high[:-1]) | (low[1:] != low[:-1]))
    distances = np.zeros(high.size, np.int64)
    if high.size:
        spread = numbers * _SPREAD
        keys = span_ids ^ spread
        order = np.argsort(keys, kind="stable")
        at = np.minimum(np.searchsorted(keys[order], parents ^ spread), keys.size - 1)
        found = order[at]
        # Two spans may have one key after all.
        is_found = (span_ids[found] == parents) & (numbers[found] == numbers) & (parents != 0)
        distances = np.where(is_found, found - np.arange(high.size), 0)
        distances[np.abs(distances) > _FARTHEST] = 0
    place = spans.schema.get_field_index(PARENT)
    elsewhere = np.where(distances == 0, parents, np.uint64(0))
    spans = spans.set_column(place, DISTANCE, pa.array(distances.astype(np.int16)))
    return spans.append_column(ELSEWHERE, pa.array(elsewhere))


def by_id(
    rows: pa.Table, looked_up: Callable[[Rows], tuple[Rows, Ids]] | None = None
) -> tuple[pa.Table, npt.NDArray[np.bool_]]:
    """Rows of a file, `ROW` among their columns, with parents again and without the three columns
    that only a file has; and whose parent is not known. That of a row is looked for among the
    others and, where it is not, by `looked_up`, which gives rows of the file that have one of
    these places: their places and span ids."""
    places = _numbers(rows, ROW).astype(np.int64)
    parents = _numbers(rows, ELSEWHERE).astype(np.uint64)
    distances = _numbers(rows, DISTANCE).astype(np.int64)
    near = np.flatnonzero(distances)
    wanted = places[near] + distances[near]
    found, is_known = _ids_at(wanted, places, _numbers(rows, "span_id"))
    if looked_up is not None and not is_known.all():
        more, is_more = _ids_at(wanted, *looked_up(np.unique(wanted[~is_known])))
        found = np.where(is_known, found, more)
        is_known |= is_more
    parents[near] = found
    is_unknown = np.zeros(places.size, np.bool_)
    is_unknown[near] = ~is_known
    place = rows.schema.get_field_index(DISTANCE)
    rows = rows.set_column(place, PARENT, pa.array(parents))
    return rows.drop_columns([ELSEWHERE, ROW]), is_unknown


def with_parents(stored: str) -> str:
    """A relation with the spans of a stored table, parents by id, and `rowid`. A condition on the
    trace reaches the table, others do not: then all rows are read, some 0.6 µs for each. (DuckDB
    2.0 leaves that out where parents are not asked for, 1.5 does not.)"""
    return (
        f"(SELECT * EXCLUDE ({DISTANCE}, {ELSEWHERE}), rowid, CASE WHEN {DISTANCE} = 0"
        f" THEN {ELSEWHERE} ELSE lag(span_id, -{DISTANCE}::BIGINT) OVER"
        f" (PARTITION BY trace_hi, trace_lo ORDER BY rowid) END AS {PARENT} FROM {stored})"
    )


def has_distances(cursor: duckdb.DuckDBPyConnection, alias: str) -> bool:
    """Whether the spans of an attached file have distances."""
    import duckdb

    try:
        cursor.execute(f"SELECT {DISTANCE} FROM {alias}.{TABLE} LIMIT 0")
    except duckdb.BinderException:
        return False
    return True


def _ids_at(wanted: Rows, places: Rows, span_ids: Ids) -> tuple[Ids, npt.NDArray[np.bool_]]:
    """The span id at each wanted place, and whether that place is among those given."""
    if not places.size:
        return np.zeros(wanted.size, np.uint64), np.zeros(wanted.size, np.bool_)
    if (places[1:] < places[:-1]).any():
        order = np.argsort(places)
        places, span_ids = places[order], span_ids[order]
    at = np.minimum(np.searchsorted(places, wanted), places.size - 1)
    return span_ids[at], places[at] == wanted


def _numbers(table: pa.Table, name: str) -> npt.NDArray[Any]:
    return np.asarray(table.column(name).to_numpy())
