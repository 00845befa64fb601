"""Path time: how much of the critical path spans and all that hangs on them hold."""

from __future__ import annotations

from collections.abc import Iterable

from longpole.analyzer.explain import Explanation


def path_time(explanation: Explanation, spans: Iterable[int]) -> int:
    """Nanoseconds of the critical path held by these spans (indices) and their descendants, each
    span counted once."""
    critical, children = explanation.critical_ns, explanation.tree.children
    total = 0
    seen: set[int] = set()
    waiting = list(spans)
    while waiting:
        index = waiting.pop()
        if index in seen:
            continue
        seen.add(index)
        total += critical.get(index, 0)
        waiting.extend(children[index])
    return total
