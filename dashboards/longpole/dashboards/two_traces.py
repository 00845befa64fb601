"""Parameters of a comparison of two traces: `a` is the base, `b` the head.

a=ID&b=ID            how b differs from a
a=ID&b=typical       how that trace differs from others of its root; either way around
"""

from __future__ import annotations

from collections.abc import Callable

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import Explanation
from longpole.analyzer.reports.compare_traces_report import (
    TraceSide,
    side_of_trace,
    typical_side,
)
from longpole.dashboards import parameters
from longpole.dashboards.errors import BadQuestion, NothingTypical
from longpole.dashboards.parameters import Parameters
from longpole.model.ids import parse_trace_id
from longpole.storage.ports import TraceReader

SIDES = frozenset({"a", "b"})
TYPICAL = "typical"


def sides(
    asked: Parameters,
    reader: TraceReader,
    explained: Callable[[int, PathOptions], Explanation],
    options: PathOptions,
) -> tuple[TraceSide, TraceSide]:
    """Base and head; what is typical is always the base, whichever parameter says so. Raises
    `NothingTypical` where no other trace of that root is stored."""
    texts = [(parameters.first(asked, name) or TYPICAL).strip() for name in ("a", "b")]
    ids = [None if text.lower() == TYPICAL else parse_trace_id(text) for text in texts]
    found = [None if one is None else explained(one, options) for one in ids]
    first, second = found
    if first is not None and second is not None:
        return side_of_trace("A", first), side_of_trace("B", second)
    trace = first or second
    if trace is None:
        raise BadQuestion("which traces? a and b are trace ids; one of them may be typical")
    base = typical_side(reader, trace, options)
    if base is None:
        raise NothingTypical("no other trace of this request is stored, so nothing is typical")
    return base, side_of_trace("this trace", trace)
