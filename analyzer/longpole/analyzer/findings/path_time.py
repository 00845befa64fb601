"""Path time: how much of the critical path spans and all that hangs on them hold."""

from __future__ import annotations

from collections.abc import Iterable

from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.survey import survey_of


def path_time(explanation: Explanation, spans: Iterable[int]) -> int:
    """Nanoseconds of the critical path held by these spans (indices) and their descendants, each
    span counted once. What is off the path is not visited."""
    path_ns = survey_of(explanation).path_ns
    waiting = [index for index in dict.fromkeys(spans) if path_ns(index)]
    if len(waiting) < 2:
        return path_ns(waiting[0]) if waiting else 0
    critical, children = explanation.critical_ns, explanation.tree.children
    total = 0
    seen: set[int] = set()
    while waiting:
        index = waiting.pop()
        if index not in seen:
            seen.add(index)
            total += critical.get(index, 0)
            waiting.extend(child for child in children[index] if path_ns(child))
    return total
