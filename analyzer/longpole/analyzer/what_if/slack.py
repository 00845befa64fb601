"""Slack and drag of one trace, from the same model as every what-if.

Slack: how much longer a span may take before its root takes longer. Growing it by its slack
changes nothing, by one nanosecond more makes the root one nanosecond longer. Drag: how much
shorter the root would be if the call took no time at all.
"""

from __future__ import annotations

import numpy as np

from longpole.analyzer.what_if.edits import no_edits
from longpole.analyzer.what_if.loops import PLAIN
from longpole.analyzer.what_if.prediction import retimed_roots
from longpole.analyzer.what_if.timelines import Timelines


def slacks(lines: Timelines) -> list[int]:
    """The slack of every span in nanoseconds, at the end of which it holds up its root. Spans
    that no root waits for are not in `lines`: they may take as long as they like."""
    first, by_start, by_end = (c.tolist() for c in (lines.first, lines.by_start, lines.by_end))
    absorb, gap = lines.absorb.tolist(), lines.gap.tolist()
    low, high, tail = lines.low.tolist(), lines.high.tolist(), lines.tail.tolist()
    slack = [0] * len(low)
    for parent in range(len(low)):
        begin, end = first[parent], first[parent + 1]
        # A child may end as late as the parent's slack allows, and as the children that wait
        # for it allow: these begin at the latest end of what they wait for, plus their gap.
        latest = slack[parent] + high[parent] - tail[parent]
        waiting = end
        for place in range(end - 1, begin - 1, -1):
            child = by_end[place]
            while waiting > begin and absorb[waiting - 1] > place:
                waiting -= 1
                follower = by_start[waiting]
                latest = min(latest, slack[follower] + low[follower] - gap[waiting])
            slack[child] = latest - high[child]
    return slack


def drag(lines: Timelines, span: int) -> int:
    """How much shorter the root of span `span` would be without the call: 0 off the path."""
    if not lines.is_on_path[span]:
        return 0
    edits = no_edits(lines)
    edits.whole_parts[span] = 0
    edits.is_edited[span] = 1
    trace = int(np.searchsorted(lines.offsets, span, side="right")) - 1
    return int(lines.root_lengths[trace] - retimed_roots(lines, edits, PLAIN)[trace])
