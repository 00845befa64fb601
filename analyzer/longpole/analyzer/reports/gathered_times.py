"""Gathers path time trace by trace: settled traces from storage, the others explained now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.path_groups import stored_columns
from longpole.analyzer.reports.unsettled import ExplainedNow, explain_now
from longpole.analyzer.times_by_trace import TimesByTrace
from longpole.model.query import TraceQuery
from longpole.storage.ports import TraceReader

if TYPE_CHECKING:
    from longpole.analyzer.columnar.paths import BatchPaths


@dataclass(frozen=True, slots=True)
class GatheredTimes:
    """Path time of every matching trace. `coverage` counts traces, as the report shows it."""

    times: TimesByTrace
    coverage: dict[str, int]
    notices: tuple[str, ...]


def gathered_times(
    reader: TraceReader,
    query: TraceQuery,
    group_by: Sequence[str],
    options: PathOptions | None,
) -> GatheredTimes:
    """Path time of every matching trace (`query.limit` does not apply) by names of
    `path_groups.GROUP_NAMES`; ValueError for others."""
    columns = stored_columns(group_by)
    stored = reader.path_times(query, columns)
    times = TimesByTrace(tuple(group_by))
    times.add_stored(stored)
    now = ExplainedNow()

    def add_batch(paths: BatchPaths) -> None:
        from longpole.analyzer.columnar.times import path_times

        times.add_stored(path_times(paths, columns))

    explain_now(reader, stored.unsettled, options, now, times.add, add_batch)
    coverage = stored.coverage
    return GatheredTimes(
        times,
        {
            "matched": coverage.matched,
            "used": coverage.used + now.explained,
            "unsettled_explained": now.explained,
            "incomplete": coverage.incomplete + now.incomplete,
            "late": coverage.late + now.late,
        },
        stored.notices,
    )
