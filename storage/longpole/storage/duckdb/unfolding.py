"""SQL that gives folded rows back (see `folded`), in the columns of the plain tables.

Lists become rows by `unnest`, all lists of a trace side by side; the shorter ones are filled up
with NULL. A list that nobody asks for is better not named, since DuckDB unnests it all the same.
"""

from __future__ import annotations

from collections.abc import Collection

from longpole.model import columns
from longpole.model.span import StatusCode
from longpole.storage.duckdb.folded import Folding
from longpole.storage.duckdb.snapshot import Segment

_STEP = columns.RED_STEP_NS
_ERROR = int(StatusCode.ERROR)
# By the column of the unfolded table: what it is made of. `t` is the trace, `f` the bare row.
_BARE = {
    "path_segments": {
        "kind": "unnest(t.path_kinds)",
        "span": "unnest(t.path_spans)",
        "began": "unnest(list_prepend(0::BIGINT, t.path_ends[:-2]))",
        "ended": "unnest(t.path_ends)",
    },
    "red": {
        "kind": "unnest(t.red_kinds)",
        "step": "unnest(t.red_steps)",
        "bucket": "unnest(t.red_buckets)",
        "duration": "unnest(t.red_duration_sums_ns)",
        "critical": "unnest(t.red_critical_ns)",
    },
}
# Of the trace itself.
_OF_TRACE = {
    "path_segments": "t.root_span_id, t.path_span_ids, t.start_unix_nano AS start",
    # The step of the start, as the folding reckons it: towards zero.
    "red": f"t.start_unix_nano - t.start_unix_nano % {_STEP} AS start",
}
# Each column: its SQL, and the bare ones that it needs.
_COLUMNS = {
    "path_segments": {
        "trace_hi": ("f.trace_hi", ""),
        "trace_lo": ("f.trace_lo", ""),
        "revision": ("f.revision", ""),
        "root_service": ("k.root_service", ""),
        "root_operation": ("k.root_operation", ""),
        "span_id": (
            "CASE WHEN f.span = 0 THEN f.root_span_id ELSE f.path_span_ids[f.span] END", "span"
        ),
        "service": ("k.service", ""),
        "operation": ("k.operation", ""),
        "peer_service": ("k.peer_service", ""),
        "call_path_id": ("k.call_path_id", ""),
        "label": ("k.label", ""),
        "start_unix_nano": ("f.start + f.began", "began"),
        "end_unix_nano": ("f.start + f.ended", "ended"),
    },
    "red": {
        "trace_hi": ("f.trace_hi", ""),
        "trace_lo": ("f.trace_lo", ""),
        "revision": ("f.revision", ""),
        "step_unix_nano": (f"f.start + f.step::BIGINT * {_STEP}", "step"),
        "service": ("k.service", ""),
        "operation": ("k.operation", ""),
        "kind": ("k.kind", ""),
        "status_code": ("k.status_code", ""),
        "count": ("b.count", "bucket"),
        "errors": (f"CASE WHEN k.status_code = {_ERROR} THEN b.count ELSE 0 END", "bucket"),
        "duration_sum_ns": ("f.duration", "duration"),
        "bucket_counts": ("b.bucket_counts", "bucket"),
        "critical_ns": ("coalesce(f.critical, 0)", "critical"),
    },
}  # fmt: skip
_KINDS = {"path_segments": "path_kinds", "red": "red_kinds"}


def unfolded(
    alias: str,
    folding: Folding | None,
    table: str,
    of: str = "",
    wanted: Collection[str] | None = None,
) -> str:
    """A relation with the rows of one of `FOLDED_TABLES` in an attached file.

    `of`, what follows the name of the table of traces `t`, may leave out rows of traces that nobody
    wants, but does so only where rows are folded: whoever passes it says it again of the relation.
    So with `wanted`, the columns that are needed; there may be others.
    """
    plain = f"{alias}.main.{table}"
    if folding is None:
        return plain
    if table == "settlements":
        rows = (
            f"SELECT trace_hi, trace_lo, revision, through_row_id FROM {alias}.main.traces"
            " WHERE through_row_id IS NOT NULL"
        )
        names = "trace_hi, trace_lo, revision, through_row_id"
    else:
        own = _COLUMNS[table]
        chosen = [name for name in own if wanted is None or name in wanted]
        needed = {own[name][1] for name in chosen}
        rows = (
            f"SELECT {', '.join(f'{own[name][0]} AS {name}' for name in chosen)}"
            f" FROM ({bare_rows(alias, table, needed, of)}) f"
            f" JOIN {alias}.main.{_KINDS[table]} k ON k.place = f.kind"
        )
        if "bucket" in needed:
            rows += f" JOIN {alias}.main.red_buckets b ON b.place = f.bucket"
        names = ", ".join(chosen)
    if table in folding.plain:
        rows += f" UNION ALL SELECT {names} FROM {plain}"
    return f"({rows})"


def bare_rows(alias: str, table: str, needed: Collection[str], of: str = "") -> str:
    """Folded rows without what the dictionaries say: trace, `start`, `kind` (NULL in rows that are
    none) and what is `needed` of `_BARE`."""
    lists = ", ".join(
        f"{sql} AS {name}" for name, sql in _BARE[table].items() if name == "kind" or name in needed
    )
    return (
        f"SELECT t.trace_hi, t.trace_lo, t.revision, {_OF_TRACE[table]}, {lists}"
        f" FROM {alias}.main.traces t {of}"
    )


def settlements_of(segment: Segment) -> str:
    """A relation with the rows of `hot.SETTLEMENTS` of a derived file."""
    return unfolded(segment.alias, segment.folding, "settlements")
