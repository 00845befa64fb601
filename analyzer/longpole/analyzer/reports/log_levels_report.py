"""How many log records there are of each level, over time."""

from __future__ import annotations

from typing import Any

from longpole.analyzer.correlation.log_lines import SEVERITIES, level_of
from longpole.model.query import LogQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader

MOST_STEPS = 120
UNKNOWN = "unknown"
LEVELS = (UNKNOWN, *SEVERITIES)
_S = 10**9
_STEPS_NS = tuple(s * _S for s in (10, 30, 60, 120, 300, 600, 1800, 3600, 10_800, 43_200, 86_400))
_EVER = TimeRange()


def log_levels_report(
    reader: TraceReader, query: LogQuery, *, now_unix_nano: int
) -> dict[str, Any]:
    """Counts of the matching records by level and step, at most `MOST_STEPS` steps of at least ten
    seconds; `query.limit` does not apply. A window without a beginning begins with the oldest
    record of the last years that so many steps of a day hold; one without an end ends now."""
    begin, end = query.time.start_unix_nano, query.time.end_unix_nano
    if end == _EVER.end_unix_nano:
        end = max(now_unix_nano, begin + 1)
    if begin == _EVER.start_unix_nano:
        begin = end - MOST_STEPS * _STEPS_NS[-1]
        days = reader.log_counts(query, _STEPS_NS[-1]).column("step_unix_nano").to_pylist()
        inside = [day for day in days if begin <= day < end]
        begin = inside[0] if inside else end - 1
    step = next(
        (s for s in _STEPS_NS if end - begin < s * MOST_STEPS), -(-(end - begin) // MOST_STEPS)
    )
    first = begin // step * step
    count = -(-(end - first) // step)
    counts = {level: [0] * count for level in LEVELS}
    for row in reader.log_counts(query, step).to_pylist():
        place = (row["step_unix_nano"] - first) // step
        if 0 <= place < count:
            level = level_of(row["severity_number"], row["severity_text"]) or UNKNOWN
            counts[level][place] += row["count"]
    return {
        "start_unix_nano": first,
        "step_ns": step,
        "counts": {level: steps for level, steps in counts.items() if any(steps)},
    }
