"""Parameters of a comparison: what both sides have in common, and what tells base from head.

service=cart&base_from=…&base_to=…&head_from=…&head_to=…      filters for one side have its name
at=2026-01-31T12:00:00Z&window=10m                            before and after a moment
window=15m                                                    the last 15 minutes and those before
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from longpole.analyzer.compare.band import Statistic
from longpole.analyzer.compare.gates import Gate, parse_gate
from longpole.analyzer.reports.compare_sides import DEFAULT_SAMPLE, MOST_SAMPLED
from longpole.dashboards import parameters
from longpole.dashboards.errors import BadQuestion
from longpole.dashboards.parameters import FILTERS, Parameters
from longpole.model.clock import Clock
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.timerange import TimeRange

SHARED = FILTERS - {"limit", "trace"}
SIDES = ("base", "head")
_TIMES = ("since", "from", "to")
OF_SIDES = frozenset(f"{side}_{name}" for side in SIDES for name in SHARED)
OWN = frozenset({"root", "at", "window", "statistic", "fail_on", "sample"})
MOST_GATES = 50


def queries(asked: Parameters, clock: Clock, is_apart: bool) -> tuple[TraceQuery, TraceQuery]:
    """What base and head look for. `is_apart`: they are asked of different stores, so the same
    question on both sides makes sense; otherwise it is refused."""
    times = _windows(asked, clock)
    shared = {name: values for name, values in asked.items() if name in SHARED}
    name = parameters.first(asked, "root")
    root = None if name is None else Condition(Field.ROOT_NAME, Comparison.EQ, name)
    result: list[TraceQuery] = []
    for place, side in enumerate(SIDES):
        own = {
            name.removeprefix(f"{side}_"): values
            for name, values in asked.items()
            if name in OF_SIDES and name.startswith(f"{side}_")
        }
        has_time = any(own.get(name) for name in _TIMES)
        if times is not None and has_time:
            raise BadQuestion(f"{side} has a time of its own, so at and window say nothing")
        common = parameters.query(shared, clock, default_limit=None)
        more = _query_of(side, own, clock)
        if root is not None:
            more = replace(more, conditions=(*more.conditions, root))
        time = times[place] if times else more.time if has_time else common.time
        result.append(replace(common, conditions=(*common.conditions, *more.conditions), time=time))
    if result[0] == result[1] and not is_apart:
        raise BadQuestion(
            "nothing tells base from head: give them times (--at, --window, --base-from …), "
            "conditions (--base, --head, --by-attr) or files (--base-file, --head-file)"
        )
    return result[0], result[1]


def _query_of(side: str, own: Parameters, clock: Clock) -> TraceQuery:
    """Of one side's parameters; a refusal names them as they were given, with the side."""
    try:
        return parameters.query(own, clock, default_limit=None)
    except BadQuestion as error:
        name = str(error).partition(":")[0]
        if name not in own:
            raise
        raise BadQuestion(f"{side}_{error}") from None


def _windows(asked: Parameters, clock: Clock) -> tuple[TimeRange, TimeRange] | None:
    at, window = (parameters.first(asked, name) for name in ("at", "window"))
    if at is None and window is None:
        return None
    if window is None:
        raise BadQuestion("at needs window: how much time before and after it")
    length = parameters.duration_ns(window, "window")
    if length <= 0:
        raise BadQuestion("window: a duration above 0")
    moment = clock.now_unix_nano() - length if at is None else parameters.moment(at, "at", clock)
    return TimeRange(moment - length, moment), TimeRange(moment, moment + length)


def statistic(asked: Parameters) -> Statistic:
    """`mean` unless it says otherwise."""
    text = parameters.first(asked, "statistic") or Statistic.MEAN.value
    known = [one.value for one in Statistic]
    if text not in known:
        raise BadQuestion(f"statistic: {text[:80]!r} is none of {', '.join(known)}")
    return Statistic(text)


def gates(asked: Parameters) -> Sequence[Gate]:
    """The conditions of `fail_on`."""
    texts = asked.get("fail_on", ())
    if len(texts) > MOST_GATES:
        raise BadQuestion(f"fail_on is given {len(texts)} times; {MOST_GATES} are enough")
    return [parse_gate(text) for text in texts]


def sample(asked: Parameters) -> int:
    """How many traces of each side are used at most."""
    text = parameters.first(asked, "sample")
    return DEFAULT_SAMPLE if text is None else parameters.whole(text, "sample", 1, MOST_SAMPLED)
