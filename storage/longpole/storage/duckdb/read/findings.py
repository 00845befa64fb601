"""Reads what the detectors found in matching traces, from derived rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longpole.model import columns
from longpole.model.query import TraceQuery
from longpole.storage.answers import FINDING_ROOTS, FOUND_FINDINGS
from longpole.storage.duckdb.read.part import parts_of
from longpole.storage.duckdb.read.settled_matches import settled_matches
from longpole.storage.duckdb.read.stored_rows import arrow
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.ports import FoundFindings

if TYPE_CHECKING:
    import duckdb

_USED = "longpole_used"
_TRACE_COLUMNS = ["trace_hi", "trace_lo", "revision", "root_service", "root_operation"]


def read_findings(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, query: TraceQuery
) -> FoundFindings:
    """Answer `TraceReader.findings`."""
    found = settled_matches(connection, snapshot, query)
    used = found.used
    findings, roots = FOUND_FINDINGS.empty_table(), FINDING_ROOTS.empty_table()
    parts = parts_of(snapshot, "findings")
    if used.num_rows:
        connection.register(_USED, used.select(_TRACE_COLUMNS))
        roots = arrow(
            connection,
            "SELECT root_service, root_operation, count(*) AS trace_count"
            f" FROM {_USED} GROUP BY root_service, root_operation",
        ).cast(FINDING_ROOTS)
    if used.num_rows and parts:
        own = ", ".join(f"s.{name}" for name in columns.FINDINGS.names)
        # The revision in the join leaves out superseded rows.
        union = " UNION ALL ".join(
            f"SELECT {own}, u.root_service, u.root_operation"
            f" FROM {part.relation('findings')} s"
            f" JOIN {_USED} u USING (trace_hi, trace_lo, revision)"
            for part in parts
        )
        findings = arrow(connection, union).cast(FOUND_FINDINGS)
    return FoundFindings(findings, roots, found.coverage, found.unsettled, found.notices)
