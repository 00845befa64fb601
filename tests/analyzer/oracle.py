"""The critical path by its definition, instant by instant; slow and independent of ours."""

from __future__ import annotations

from longpole.analyzer.critical_path import Overflow, PathOptions
from longpole.model.span import Span, SpanKind
from longpole.model.trace import Trace


def owner_by_instant(trace: Trace, options: PathOptions) -> dict[int, int]:
    """The id of the span that owns [t, t + 1) for each t of the root, which is span 1."""
    by_id = {s.span_id: s for s in trace.spans}
    children: dict[int, list[Span]] = {}
    for s in trace.spans:
        children.setdefault(s.parent_span_id, []).append(s)
    root = by_id[1]
    window = {1: (root.start_unix_nano, root.end_unix_nano)}

    def blocking(parent: Span) -> list[Span]:
        lo, hi = window[parent.span_id]
        tau = options.tau_ns
        if tau is None:
            tau = max(1_000_000, (hi - lo) // 100)
        kept = []
        for child in children.get(parent.span_id, []):
            start, end = child.start_unix_nano, child.end_unix_nano
            if parent.kind == SpanKind.PRODUCER and child.kind == SpanKind.CONSUMER:
                continue
            if options.overflow is Overflow.DETACH and end - hi > tau:
                continue
            if max(start, lo) < min(end, hi):  # else it is disjoint or empty
                window[child.span_id] = (max(start, lo), min(end, hi))
                kept.append(child)
        return kept

    def owner(parent: Span, lo: int, hi: int, instant: int) -> int:
        t = hi
        waiting = blocking(parent)
        while True:
            possible = []
            for child in waiting:
                start, end = window[child.span_id]
                a, b = max(start, lo), min(end, hi)
                if a < b and b <= t + options.eps_ns and a < t:
                    possible.append((-b, a, child.span_id))
            if not possible:
                return parent.span_id
            minus_b, a, child_id = min(possible)
            b = min(-minus_b, t)
            if instant >= b:
                return parent.span_id
            if instant >= a:
                return owner(by_id[child_id], a, b, instant)
            t = a

    lo, hi = window[1]
    return {instant: owner(root, lo, hi, instant) for instant in range(lo, hi)}
