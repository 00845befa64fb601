"""Splits what matches a query into traces with current derived rows and the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from longpole.model import columns
from longpole.model.query import TraceQuery
from longpole.storage.duckdb.read.search import all_matches, notices_of, plain_rows
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.ports import Coverage
from longpole.storage.query_checks import refuse_bad_regexes

if TYPE_CHECKING:
    import duckdb


COUNTED = ("orphans", "headless", "late")


@dataclass(frozen=True, slots=True)
class SettledMatches:
    """`used` has the columns asked for of every settled trace that matches, `unsettled` the ids of
    the others, ascending."""

    used: pa.Table
    unsettled: tuple[int, ...]
    coverage: Coverage
    notices: tuple[str, ...]


def settled_matches(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    names: Sequence[str] = columns.TRACES.names,
) -> SettledMatches:
    """Every trace that matches, whatever the limit; `names` are the columns of `used`, the
    counts of `COUNTED` among them. Raises `QueryRefused`."""
    refuse_bad_regexes(query)
    matches = all_matches(connection, snapshot, query, names)
    used, ids = matches.settled, matches.unsettled
    if query.trace_conditions:
        ids = plain_rows(connection, snapshot, query, ids)
    pairs = zip(ids.column("trace_hi").to_pylist(), ids.column("trace_lo").to_pylist(), strict=True)
    unsettled = tuple(sorted(hi << 64 | lo for hi, lo in pairs))
    orphans, headless, late = (used.column(name).to_numpy() for name in COUNTED)
    coverage = Coverage(
        matched=used.num_rows + len(unsettled),
        used=used.num_rows,
        unsettled=len(unsettled),
        incomplete=int(((orphans > 0) | headless.astype(np.bool_)).sum()),
        late=int((late > 0).sum()),
    )
    return SettledMatches(used, unsettled, coverage, notices_of(snapshot, query))
