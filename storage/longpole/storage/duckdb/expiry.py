"""Expiry: what goes along with span segments, so that derived rows still add up to the spans.

A trace whose spans all go takes its derived rows with it: they are hidden at once, and their
files deleted when they show nothing else. A trace that loses only some is explained anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from longpole.model.ids import join_trace_id, split_trace_id
from longpole.storage.duckdb.snapshot import Segment, Snapshot
from longpole.storage.duckdb.unfolding import settlements_of

if TYPE_CHECKING:
    import duckdb

_IDS = ("trace_hi", "trace_lo")


@dataclass(frozen=True, slots=True)
class Expiry:
    """`hidden`: trace id to the revision up to which its derived rows explain nothing any more.
    `reopened`: trace id to the first and last row id that it has left. `emptied`: derived
    segments that show nothing any more. `thinned`: those that do, and lost a good part.
    `vanished`: traces that waited for an explanation and have no spans left."""

    hidden: Mapping[int, int] = field(default_factory=dict)
    reopened: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    emptied: frozenset[int] = frozenset()
    thinned: frozenset[int] = frozenset()
    vanished: frozenset[int] = frozenset()


def expiry_of(
    snapshot: Snapshot, cursor: duckdb.DuckDBPyConnection, leaving: Collection[int]
) -> Expiry:
    """What the departure of these segments means. The cursor keeps temporary tables."""
    spans = snapshot.segments_of("spans")
    doomed = [s for s in spans if s.segment_id in leaving]
    derived = snapshot.segments_of("derived")
    if not doomed:
        return Expiry()
    hot_spans = snapshot.hot["spans"].select([*_IDS, "row_id"])
    hot_settled = snapshot.hot["settlements"].select([*_IDS, "revision"])
    for name, table in (
        ("hot_spans", hot_spans), ("hot_settled", hot_settled), ("hidden", snapshot.superseded)
    ):  # fmt: skip
        # Copied, since DuckDB 1.5 cannot push the filter of a join into Arrow tables.
        cursor.register("incoming", table)
        cursor.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM incoming")
        cursor.unregister("incoming")
    expired = " UNION ".join(f"SELECT trace_hi, trace_lo FROM {s.alias}.spans" for s in doomed)
    cursor.execute(f"CREATE TEMP TABLE expired AS {expired}")
    left = " UNION ALL ".join(
        ["SELECT * FROM hot_spans"]
        + [
            f"SELECT trace_hi, trace_lo, row_id FROM {s.alias}.spans"
            for s in spans
            if s.segment_id not in leaving
        ]
    )
    cursor.execute(
        "CREATE TEMP TABLE remaining AS SELECT trace_hi, trace_lo, min(row_id) AS first_row, "
        f"max(row_id) AS last_row FROM ({left}) SEMI JOIN expired USING (trace_hi, trace_lo) "
        "GROUP BY ALL"
    )
    settled = " UNION ALL ".join(
        ["SELECT * FROM hot_settled"]
        + [f"SELECT trace_hi, trace_lo, revision FROM {settlements_of(s)}" for s in derived]
    )
    cursor.execute(
        "CREATE TEMP TABLE gone AS SELECT trace_hi, trace_lo, max(revision) AS revision "
        f"FROM ({settled}) SEMI JOIN expired USING (trace_hi, trace_lo) "
        "ANTI JOIN remaining USING (trace_hi, trace_lo) GROUP BY ALL"
    )
    cursor.execute(
        "CREATE TEMP TABLE unseen AS SELECT trace_hi, trace_lo, max(revision) AS revision FROM "
        "(SELECT * FROM gone UNION ALL SELECT * FROM hidden) GROUP BY ALL"
    )
    emptied, thinned = _sorted_out(cursor, derived)
    return Expiry(
        _still_hiding(cursor, derived, emptied),
        _remaining(cursor),
        emptied,
        thinned,
        _vanished(cursor, snapshot.pending),
    )


def _sorted_out(
    cursor: duckdb.DuckDBPyConnection, derived: Collection[Segment]
) -> tuple[frozenset[int], frozenset[int]]:
    """The derived segments that show nothing, and those with a quarter of rows to drop."""
    emptied: set[int] = set()
    thinned: set[int] = set()
    for segment in derived:
        ((shown, newly_hidden),) = cursor.execute(
            "SELECT count(*) FILTER (u.revision IS NULL OR s.revision > u.revision), "
            "count(*) FILTER (s.revision <= g.revision) "
            f"FROM {settlements_of(segment)} s LEFT JOIN unseen u USING (trace_hi, trace_lo) "
            "LEFT JOIN gone g USING (trace_hi, trace_lo)"
        ).fetchall()
        if not newly_hidden:
            continue
        if not shown:
            emptied.add(segment.segment_id)
        elif newly_hidden * 3 >= shown:
            thinned.add(segment.segment_id)
    return frozenset(emptied), frozenset(thinned)


def _still_hiding(
    cursor: duckdb.DuckDBPyConnection, derived: Collection[Segment], emptied: Collection[int]
) -> dict[int, int]:
    """The traces that are gone and have derived rows in what stays."""
    staying = ["SELECT trace_hi, trace_lo FROM hot_settled"]
    staying += [
        f"SELECT trace_hi, trace_lo FROM {settlements_of(s)}"
        for s in derived
        if s.segment_id not in emptied
    ]
    rows = cursor.execute(
        f"SELECT * FROM gone SEMI JOIN ({' UNION ALL '.join(staying)}) USING (trace_hi, trace_lo)"
    ).fetchall()
    return {join_trace_id(hi, lo): revision for hi, lo, revision in rows}


def _vanished(cursor: duckdb.DuckDBPyConnection, pending: Collection[int]) -> frozenset[int]:
    pairs = [split_trace_id(trace_id) for trace_id in pending]
    table = pa.table(
        {"trace_hi": [hi for hi, _ in pairs], "trace_lo": [lo for _, lo in pairs]},
        schema=pa.schema([(name, pa.uint64()) for name in _IDS]),
    )
    cursor.register("incoming", table)
    cursor.execute("CREATE TEMP TABLE waiting AS SELECT * FROM incoming")
    cursor.unregister("incoming")
    rows = cursor.execute(
        "SELECT trace_hi, trace_lo FROM waiting SEMI JOIN expired USING (trace_hi, trace_lo) "
        "ANTI JOIN remaining USING (trace_hi, trace_lo)"
    ).fetchall()
    return frozenset(join_trace_id(hi, lo) for hi, lo in rows)


def _remaining(cursor: duckdb.DuckDBPyConnection) -> dict[int, tuple[int, int]]:
    rows = cursor.execute("SELECT * FROM remaining").fetchall()
    return {join_trace_id(hi, lo): (first, last) for hi, lo, first, last in rows}
