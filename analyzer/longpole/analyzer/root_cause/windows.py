"""Windows: the traces of two stretches of time, reduced to facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from longpole.analyzer.root_cause.facts import TraceFacts
from longpole.analyzer.root_cause.places import Names
from longpole.model.timerange import TimeRange

_EVER = TimeRange()


@dataclass(frozen=True, slots=True)
class Window:
    """The traces of one stretch. `matched` began in it; `traces` are those that were read, all
    of them or a sample that depends on nothing but their ids."""

    time: TimeRange
    matched: int
    traces: tuple[TraceFacts, ...]
    notices: tuple[str, ...] = ()

    @property
    def spans_of(self) -> Counter[str]:
        """Spans by service."""
        spans: Counter[str] = Counter()
        for facts in self.traces:
            spans.update(facts.spans_of)
        return spans


def closed(time: TimeRange, now_unix_nano: int) -> TimeRange:
    """The time with an end: an open one becomes now, or just after a beginning that is later."""
    if time.end_unix_nano != _EVER.end_unix_nano:
        return time
    return replace(time, end_unix_nano=max(now_unix_nano, time.start_unix_nano + 1))


def baseline_of(time: TimeRange) -> TimeRange:
    """The stretch of equal length right before; the time has a beginning and an end."""
    length = time.end_unix_nano - time.start_unix_nano
    start = max(_EVER.start_unix_nano, time.start_unix_nano - length)
    return TimeRange(start, time.start_unix_nano)


def names_of(windows: Sequence[Window]) -> Names:
    """What callers call each other, by all traces of some windows."""
    seen: dict[str, Counter[str]] = {}
    services: set[str] = set()
    for window in windows:
        for facts in window.traces:
            services.update(facts.spans_of)
            for peer, answered in facts.answered.items():
                seen.setdefault(peer, Counter()).update(answered)
    return Names(seen, frozenset(services))
