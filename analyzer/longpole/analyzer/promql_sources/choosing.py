"""Which stored series a selector asks for: looked up once, and remembered while nothing new is
stored.

A dashboard asks for the same selectors again and again, and most series have label values that
others have too: each value is held against a matcher once, and the labels of a series are written
out once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from longpole.analyzer.promql.expressions import Matcher, MatchOp
from longpole.analyzer.promql.selectors import NAME, check_of
from longpole.analyzer.promql_sources.metric_parts import PART_LABELS, Chosen, Part, parts_of
from longpole.analyzer.promql_sources.series_labels import StoredSeries

# Selectors whose series are remembered, and how many series all of them may have.
_KEPT = 64
_MOST_KEPT = 200_000
_PLAIN: Sequence[Mapping[str, Any]] = ({"explicit_bounds": None, "quantiles": None,
                                        "has_sum": False},)  # fmt: skip
_Labelled = tuple[Part, Mapping[str, str]]


class SeriesIndex:
    """Stored series by family, and the shapes of their points by id. Any thread may use it: what
    two look up at once is looked up twice."""

    def __init__(
        self,
        families: Mapping[str, Sequence[StoredSeries]],
        shapes: Mapping[int, Sequence[Mapping[str, Any]]],
    ) -> None:
        self._families = families
        self._shapes = shapes
        self._parts: dict[int, Sequence[_Labelled]] = {}
        self._found: OrderedDict[tuple[Matcher, ...], Sequence[Chosen]] = OrderedDict()
        self._lock = threading.Lock()

    def chosen(self, matchers: Sequence[Matcher]) -> Sequence[Chosen]:
        """Every series of which parts meet all matchers, with these parts."""
        key = tuple(matchers)
        known = self._found.get(key)
        if known is not None:
            return known
        found = self._looked_up(matchers)
        with self._lock:
            self._found[key] = found
            held = sum(map(len, self._found.values()))
            while len(self._found) > 1 and (len(self._found) > _KEPT or held > _MOST_KEPT):
                held -= len(self._found.popitem(last=False)[1])
        return found

    def _looked_up(self, matchers: Sequence[Matcher]) -> list[Chosen]:
        meets_own = check_of([one for one in matchers if one.label not in PART_LABELS])
        meets_part = check_of([one for one in matchers if one.label in PART_LABELS])
        found = []
        for one in self._candidates(matchers):
            if one.family and meets_own(one.labels):
                parts = [part for part, labels in self._labelled(one) if meets_part(labels)]
                if parts:
                    found.append(Chosen(one, parts))
        # What is answered is sorted, which is quick for what is sorted already.
        found.sort(key=lambda one: one.parts[0].labels)
        return found

    def _candidates(self, matchers: Sequence[Matcher]) -> Iterable[StoredSeries]:
        """Series of which parts may have the name that is asked for."""
        names = [m.value for m in matchers if m.label == NAME and m.op is MatchOp.EQUAL]
        if not names:
            return chain.from_iterable(self._families.values())
        cut = (names[0].removesuffix(suffix) for suffix in ("", "_sum", "_count", "_bucket"))
        return chain.from_iterable(self._families.get(name, ()) for name in dict.fromkeys(cut))

    def _labelled(self, one: StoredSeries) -> Sequence[_Labelled]:
        """All parts of a series."""
        known = self._parts.get(one.series_id)
        if known is None:
            parts = parts_of(one, self._shapes.get(one.series_id, _PLAIN), ())
            known = [(part, dict(part.labels)) for part in parts]
            if len(self._parts) > _MOST_KEPT:
                self._parts.clear()
            self._parts[one.series_id] = known
        return known
