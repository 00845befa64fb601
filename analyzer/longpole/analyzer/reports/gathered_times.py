"""Gathers path time trace by trace: settled traces from storage, the others explained now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.path_groups import stored_columns
from longpole.analyzer.reports.unsettled import explanations
from longpole.analyzer.times_by_trace import TimesByTrace
from longpole.model.query import TraceQuery
from longpole.storage.ports import TraceReader


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
    stored = reader.path_times(query, stored_columns(group_by))
    times = TimesByTrace(tuple(group_by))
    times.add_stored(stored)
    explained = incomplete = late = 0
    for explanation in explanations(reader, stored.unsettled, options):
        times.add(explanation)
        done = explanation.completeness
        explained += 1
        incomplete += bool(done.orphans or done.headless)
        late += done.late > 0
    coverage = stored.coverage
    return GatheredTimes(
        times,
        {
            "matched": coverage.matched,
            "used": coverage.used + explained,
            "unsettled_explained": explained,
            "incomplete": coverage.incomplete + incomplete,
            "late": coverage.late + late,
        },
        stored.notices,
    )
