"""Parameters of a question about logs as a `LogQuery`."""

from __future__ import annotations

from longpole.analyzer.correlation.log_lines import SEVERITIES
from longpole.dashboards.errors import BadQuestion
from longpole.dashboards.parameters import (
    MAX_LIMIT,
    Parameters,
    duration_ns,
    first,
    time_range,
    whole,
)
from longpole.model.clock import Clock
from longpole.model.ids import parse_span_id, parse_trace_id
from longpole.model.query import LogQuery
from longpole.model.timerange import TimeRange

LOG_FILTERS = frozenset({"service", "level", "text", "since", "from", "to", "trace", "span"})
_EVER = TimeRange()


def log_query(parameters: Parameters, clock: Clock) -> LogQuery:
    """The filters among the parameters; `limit` is 100 unless it is given."""
    level, text = first(parameters, "level"), first(parameters, "text")
    if level is not None and level not in SEVERITIES:
        raise BadQuestion(f"level: choose from {', '.join(SEVERITIES)}")
    trace, span = first(parameters, "trace"), first(parameters, "span")
    limit = first(parameters, "limit")
    return LogQuery(
        time=time_range(parameters, clock),
        services=tuple(dict.fromkeys(parameters.get("service", ()))),
        least_severity=0 if level is None else SEVERITIES[level],
        text=text or "",
        trace_ids=() if trace is None else (parse_trace_id(trace),),
        span_ids=() if span is None else (parse_span_id(span),),
        limit=100 if limit is None else whole(limit, "limit", 1, MAX_LIMIT),
    )


def baseline_ns(parameters: Parameters, time: TimeRange) -> int | None:
    """How long `baseline` says that the time before the window is; None where it does not."""
    given = first(parameters, "baseline")
    if given is None:
        return None
    if time.start_unix_nano == _EVER.start_unix_nano:
        raise BadQuestion("baseline: before which window? Give since or from")
    length = duration_ns(given, "baseline")
    if length < 1:
        raise BadQuestion("baseline: longer than nothing, please")
    return length
