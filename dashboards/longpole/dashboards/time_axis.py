"""Where a span's bar begins and ends, on the time of the trace's root.

    |‹--- root ---›|          inside: as it is
[====]                        clamped at the left, marked ‹
                [=====]       clamped at the right, marked ›
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BEFORE, AFTER = "‹", "›"
OUTSIDE = "began before or ended after the root; the bar is cut off there"
# Children of one root often begin or end a little outside of it; that needs no mark.
_SLACK = 100


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """From `begin` (Unix nanoseconds) on, `total_ns` long, at least 1."""

    begin: int
    total_ns: int

    @classmethod
    def of(cls, spans: Sequence[Mapping[str, Any]], root_ns: tuple[int, int]) -> TimeAxis:
        """The root's interval `root_ns`; when that has no length, from the first start of
        `spans` to the last end."""
        begin, end = root_ns
        if end <= begin:
            begin = min((s["start_unix_nano"] for s in spans), default=0)
            end = max((s["start_unix_nano"] + max(0, s["duration_ns"]) for s in spans), default=1)
        return cls(begin, max(1, end - begin))

    def place(self, span: Mapping[str, Any]) -> tuple[int, int, str]:
        """Start and length of the bar in nanoseconds from `begin`, inside of the axis, and the
        marks of what lies outside."""
        start = int(span["start_unix_nano"]) - self.begin
        end = start + max(0, int(span["duration_ns"]))
        slack = self.total_ns // _SLACK
        marks = BEFORE * (start < -slack) + AFTER * (end > self.total_ns + slack)
        left = min(max(start, 0), self.total_ns)
        right = min(max(end, 0), self.total_ns)
        return left, right - left, marks
