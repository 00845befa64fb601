"""The report of what a change would do to matching traces, or which change would do most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from difflib import get_close_matches
from typing import Any

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.path_spans import spans_of_whole_traces
from longpole.analyzer.traceql import format_query
from longpole.analyzer.what_if.changes import Change, Kind, Scope
from longpole.analyzer.what_if.edits import Reach
from longpole.analyzer.what_if.loops import PLAIN, loops_for
from longpole.analyzer.what_if.prediction import RootOutcome, predict
from longpole.analyzer.what_if.ranking import LEVELS, Gain, rank
from longpole.analyzer.what_if.timelines import Operation, TimelineBuilder, Timelines
from longpole.analyzer.wording import named, share_text
from longpole.model.ids import join_trace_id
from longpole.model.query import TraceQuery
from longpole.storage.ports import TraceReader

DEFAULT_TRACES = 5_000
LIMITS = (
    "which call waits for which is inferred from span times: one that began after another ended",
    "pauses between calls stay as they are",
    "less load does not make anything else faster (no contention model)",
    "calls that nobody waited for, or that ended after their caller gave up, change nothing",
)
_TRACES_PER_READ = 500
_VISITS_PER_SPAN = 40  # of a ranking, about: operations on a path times levels
# A change of own time that leaves out so much of what the calls take deserves a word.
_SMALL_OWN_SHARE = 0.2


def what_if_report(
    reader: TraceReader,
    query: TraceQuery,
    changes: Sequence[Change] = (),
    options: PathOptions | None = None,
) -> dict[str, Any]:
    """What `changes` together would do to the newest `query.limit` matching traces; without a
    change, every operation by what it could gain.

    Settled or not, traces are timed from their spans as they are now. `observed` and
    `predicted` are over the same traces; percentiles are nearest-rank, means rounded down.
    `coverage` counts traces: `used` of the `matched` ones were timed.
    """
    found = reader.find_traces(query)
    trace_ids = [
        join_trace_id(hi, lo)
        for hi, lo in zip(
            found.traces.column("trace_hi").to_pylist(),
            found.traces.column("trace_lo").to_pylist(),
            strict=True,
        )
    ]
    lines = _timelines(reader, trace_ids, options)
    notices = list(found.notices)
    matched = len(trace_ids)
    if found.is_truncated:
        matched = reader.path_totals(replace(query, limit=None), ()).coverage.matched
        notices.append(f"only the newest {len(trace_ids):,} traces were used; limit allows more")
    document: dict[str, Any] = {
        "query": format_query(query),
        "coverage": {
            "matched": matched,
            "used": len(lines.trace_ids),
            "incomplete": lines.incomplete,
            "late": lines.late,
        },
        "changes": [],
        "roots": [],
        "operations": [],
        "operations_left_out": 0,
        "limits": list(LIMITS),
        "notices": notices,
    }
    if lines.left_out:
        notices.append(f"{lines.left_out:,} traces of more than 18 years were left out")
    if changes:
        prediction = predict(lines, changes, loops_for(lines.low.size))
        for change, reach in zip(changes, prediction.reaches, strict=True):
            document["changes"].append(_change(change, reach))
            notices.extend(_remarks(change, reach, lines.operation_names))
        document["roots"] = [_outcome(outcome) for outcome in prediction.outcomes]
    else:
        ranking = rank(lines, loops_for(_VISITS_PER_SPAN * lines.low.size))
        document["operations"] = [_gain(gain) for gain in ranking.gains]
        document["operations_left_out"] = ranking.left_out
    return document


def _timelines(
    reader: TraceReader, trace_ids: Sequence[int], options: PathOptions | None
) -> Timelines:
    builder = TimelineBuilder(options)
    for begin in range(0, len(trace_ids), _TRACES_PER_READ):
        batch = trace_ids[begin : begin + _TRACES_PER_READ]
        for _, spans in spans_of_whole_traces(reader.whole_traces(batch, ())):
            builder.add(spans)
    return builder.done(PLAIN)


def _change(change: Change, reach: Reach) -> dict[str, Any]:
    return {
        "service": change.service,
        "operation": change.operation,
        "kind": str(change.kind),
        "amount": change.amount,
        "scope": str(change.scope),
        "words": change.words,
        "span_count": reach.spans,
        "changed_count": reach.changed,
        "trace_count": reach.traces,
    }


def _remarks(change: Change, reach: Reach, names: list[Operation]) -> list[str]:
    """What the person should know who supposed this."""
    target = f"{named(change.service)}/{named(change.operation)}"
    if not reach.spans:
        texts = [f"{service}/{operation}" for service, operation in names]
        near = get_close_matches(f"{change.service}/{change.operation}", texts[:2000], 2, 0.7)
        meant = "; did you mean " + " or ".join(named(text) for text in near) + "?" if near else ""
        return [f"no span that a trace waits for is {target}{meant}"]
    if not reach.changed:
        return [f"the change of {target} changes none of its {reach.spans:,} spans"]
    is_own = change.scope is Scope.OWN and change.kind in (Kind.SCALE, Kind.CAP)
    if is_own and reach.own_ns < _SMALL_OWN_SHARE * reach.total_ns:
        share = share_text(1 - reach.own_ns / reach.total_ns)
        return [
            f"{share} of the time of {target} is spent below it; write `whole` before the "
            "change to include what it calls"
        ]
    return []


def _outcome(outcome: RootOutcome) -> dict[str, Any]:
    return {
        "service": outcome.root[0],
        "operation": outcome.root[1],
        "trace_count": outcome.traces,
        "affected_count": outcome.affected,
        "observed": asdict(outcome.observed),
        "predicted": asdict(outcome.predicted),
    }


def _gain(gain: Gain) -> dict[str, Any]:
    return {
        "service": gain.operation[0],
        "operation": gain.operation[1],
        "affected_count": gain.affected,
        "saved": [
            {"faster_percent": level, "saved_ns": saved}
            for level, saved in zip(LEVELS, gain.saved_ns, strict=True)
        ],
        "roots": [
            {
                "service": root.root[0],
                "operation": root.root[1],
                "trace_count": root.traces,
                "affected_count": root.affected,
                "observed": asdict(root.observed),
                "predicted": [
                    {"faster_percent": level, **asdict(spread)}
                    for level, spread in zip(LEVELS, root.predicted, strict=True)
                ],
            }
            for root in gain.roots
        ],
    }
