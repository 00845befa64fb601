"""When, and how often, each operation has RED rows in a sealed segment whose rows are folded.

To unnest the lists of a trace takes three times as long as to read them, so a question about one
operation does it only for traces that have the operation, in the time asked for. What a segment
has does not change, and is found out once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from longpole.model import columns
from longpole.model.timerange import TimeRange
from longpole.storage.duckdb.read.part import Part
from longpole.storage.duckdb.read.red_series import RedCubes
from longpole.storage.duckdb.read.stored_rows import arrow
from longpole.storage.duckdb.unfolding import bare_rows

if TYPE_CHECKING:
    import duckdb

# Where more of the traces have the operation, looking into each list costs more than it saves.
_SELDOM_SHARE = 0.3
# `list_has_any` takes as long as unnesting; so a condition looks for each kind by itself.
_MOST_KINDS = 5


@dataclass(frozen=True, slots=True)
class Narrowed:
    """`of` leaves out folded traces without such rows (see `unfolded`), and may be "". `places` are
    those of the kinds of row that are wanted."""

    of: str
    places: tuple[int, ...]


def narrowed(
    connection: duckdb.DuckDBPyConnection,
    part: Part,
    time: TimeRange,
    operation: tuple[str, str],
    cubes: RedCubes,
) -> Narrowed | None:
    """Where rows of that service and operation lie; None when the part has none at that time."""
    segment = part.segment
    if segment is None or segment.folding is None:
        return Narrowed("", ())
    extents = cubes.get(("extents", segment.segment_id), partial(_extents, connection, part))
    own = extents.filter(
        pc.and_(
            pc.equal(extents.column("service"), operation[0]),
            pc.equal(extents.column("operation"), operation[1]),
        )
    )
    first, last = pc.min(own.column("first")).as_py(), pc.max(own.column("last")).as_py()
    if first is None or last < time.start_unix_nano or first >= time.end_unix_nano:
        return None if part.is_all_folded("red") else Narrowed("WHERE false", ())
    tests = []
    places = own.column("place").to_pylist()
    traces = sum(own.column("traces").to_pylist())
    if len(places) <= _MOST_KINDS and traces <= _SELDOM_SHARE * segment.row_count:
        kinds = " OR ".join(f"list_contains(t.red_kinds, {place})" for place in places)
        tests.append(f"({kinds})")
    if last >= time.end_unix_nano:
        tests.append(f"{_step('min')} < {time.end_unix_nano}")
    if first < time.start_unix_nano:
        tests.append(f"{_step('max')} >= {time.start_unix_nano}")
    return Narrowed(f"WHERE {' AND '.join(tests)}" if tests else "", tuple(places))


def _step(which: str) -> str:
    start = f"t.start_unix_nano - t.start_unix_nano % {columns.RED_STEP_NS}"
    return f"{start} + list_{which}(t.red_steps)::BIGINT * {columns.RED_STEP_NS}"


def _extents(connection: duckdb.DuckDBPyConnection, part: Part) -> pa.Table:
    assert part.segment is not None
    alias = part.segment.alias
    at = f"start + step::BIGINT * {columns.RED_STEP_NS}"
    rows = bare_rows(alias, "red", ("step",))
    return arrow(
        connection,
        f"SELECT k.service, k.operation, r.* FROM (SELECT kind AS place, count(*) AS traces,"
        f" min({at}) AS first, max({at}) AS last FROM ({rows}) WHERE kind IS NOT NULL GROUP BY 1) r"
        f" JOIN {alias}.main.red_kinds k USING (place)",
    )
