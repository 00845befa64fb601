"""Survey: what several detectors ask of one trace, worked out once."""

from __future__ import annotations

import threading
from itertools import chain
from typing import Any

from longpole.analyzer.calls import CallKeys, without_ids
from longpole.analyzer.explain import Explanation
from longpole.model.span import SpanKind

_ENTRIES = (int(SpanKind.SERVER), int(SpanKind.CONSUMER))
_NEVER_CALLS = frozenset((*_ENTRIES, int(SpanKind.PRODUCER)))
# Fewer spans of one name are no pattern, whatever the thresholds say.
FEWEST_ALIKE = 3


class Survey:
    """Facts about one trace by span index. Cheap ones are there at once, the others when they
    are first asked for; a trace that shows nothing pays for few of them."""

    __slots__ = (
        "_below", "_call_keys", "_entries", "_families", "durations", "explanation", "longest_ns",
        "noted",
    )  # fmt: skip

    def __init__(self, explanation: Explanation) -> None:
        self.explanation = explanation
        spans = explanation.spans
        self.durations = [e - s for s, e in zip(spans.starts, spans.ends, strict=True)]
        self.longest_ns = max(self.durations, default=0)
        self._below: dict[int, int] | None = None
        self._entries: dict[int, int] = {}
        self._families: list[list[int]] | None = None
        self._call_keys: CallKeys | None = None
        # What detectors share beyond this, by the name of the function that works it out.
        self.noted: dict[str, Any] = {}

    def path_ns(self, index: int) -> int:
        """Time on the critical path that a span and everything below it hold."""
        if self._below is None:
            e = self.explanation
            below = dict(e.critical_ns)
            parents = e.tree.parents
            for visited in reversed(e.path.visited[1:]):  # parents come first
                above = parents[visited]
                below[above] = below.get(above, 0) + below.get(visited, 0)
            self._below = below
        return self._below.get(index, 0)

    def entry(self, index: int) -> int:
        """The nearest span above that a request or a message entered its service by; else the
        highest one of that service."""
        known = self._entries
        spans, parents = self.explanation.spans, self.explanation.tree.parents
        passed: list[int] = []
        at = index
        while True:
            above = parents[at]
            if above < 0 or spans.services[above] != spans.services[at]:
                found = at
                break
            if above in known:
                found = known[above]
                break
            passed.append(above)
            at = above
            if spans.kinds[at] in _ENTRIES:
                found = at
                break
        for one in passed:
            known[one] = found
        return found

    @property
    def calls(self) -> CallKeys:
        """Keys and peers of calls, for who asks it of many."""
        if self._call_keys is None:
            self._call_keys = CallKeys(self.explanation.spans)
        return self._call_keys

    @property
    def families(self) -> list[list[int]]:
        """Spans that may be calls and share service and name, ids in it aside; only families
        of at least `FEWEST_ALIKE`, each in index order."""
        if self._families is None:
            spans = self.explanation.spans
            alike: dict[tuple[str, str], list[list[int]]] = {}
            if len(spans) > FEWEST_ALIKE:
                by_name: dict[tuple[str, str], list[int]] = {}
                for index, (kind, key) in enumerate(
                    zip(spans.kinds, zip(spans.services, spans.names, strict=True), strict=True)
                ):
                    if kind not in _NEVER_CALLS:
                        known = by_name.get(key)
                        if known is None:
                            by_name[key] = [index]
                        else:
                            known.append(index)
                for (service, name), found in by_name.items():
                    alike.setdefault((service, without_ids(name)), []).append(found)
            families = (
                parts[0] if len(parts) == 1 else sorted(chain.from_iterable(parts))
                for parts in alike.values()
            )
            self._families = [f for f in families if len(f) >= FEWEST_ALIKE]
        return self._families


_LATEST = threading.local()


def survey_of(explanation: Explanation) -> Survey:
    """The survey of this trace; the one made last is kept until the next or `forget`, because
    detectors look at the same trace one after the other."""
    survey: Survey | None = getattr(_LATEST, "survey", None)
    if survey is None or survey.explanation is not explanation:
        survey = _LATEST.survey = Survey(explanation)
    return survey


def forget() -> None:
    """Let go of the trace that was looked at last."""
    _LATEST.survey = None
