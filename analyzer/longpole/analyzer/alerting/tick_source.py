"""The series that one evaluation of a group reads: those of the store, read once for many rules,
and what rules before in the group recorded for the same time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from longpole.analyzer.promql.expressions import (
    Aggregation,
    Binary,
    Call,
    Expression,
    Matcher,
    MatchOp,
    MatrixSelector,
    Paren,
    Subquery,
    Unary,
    VectorSelector,
)
from longpole.analyzer.promql.selectors import NAME, meets_all
from longpole.analyzer.promql.series import Labels, Series, SeriesSource

# Metrics that fewer selectors ask for are read as they are asked for.
SHARED_FROM = 3
# So many samples of one metric are read at once; with more, each selector reads its own.
MOST_SHARED_SAMPLES = 500_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series."""

    labels: Labels
    time_ms: int
    value: float


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What selectors ask of one metric: how many different ones, and how far back."""

    selectors: frozenset[tuple[Matcher, ...]]
    reach_ms: int


class TickSource:
    """A source for one group at one time. Rules are evaluated one after the other; `record` puts
    what one recorded in front of those behind it."""

    def __init__(self, store: SeriesSource, wanted: dict[str, _Wanted], at_ms: int) -> None:
        self._store, self._wanted, self._at_ms = store, wanted, at_ms
        self._shared: dict[str, Sequence[Series] | None] = {}
        self._asked: dict[tuple[tuple[Matcher, ...], int, int], Sequence[Series]] = {}
        self._recorded: dict[str, dict[Labels, Sample]] = {}

    def record(self, samples: Iterable[Sample]) -> None:
        """Let the rules behind see these."""
        for sample in samples:
            name = next((value for label, value in sample.labels if label == NAME), "")
            self._recorded.setdefault(name, {})[sample.labels] = sample

    def select(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, most_samples: int
    ) -> Sequence[Series]:
        """As `SeriesSource` promises."""
        stored = self._stored(tuple(matchers), after_ms, through_ms, most_samples)
        added = self._added(matchers, after_ms, through_ms)
        if not added:
            return stored
        found = {one.labels: one for one in stored}
        for sample in added:
            found[sample.labels] = _appended(found.get(sample.labels), sample)
        return [found[labels] for labels in sorted(found)]

    def _added(self, matchers: Sequence[Matcher], after_ms: int, through_ms: int) -> list[Sample]:
        if not self._recorded:
            return []
        name = _name_of(matchers)
        held = [self._recorded.get(name, {})] if name else list(self._recorded.values())
        return [
            sample
            for samples in held
            for sample in samples.values()
            if after_ms < sample.time_ms <= through_ms and meets_all(matchers, dict(sample.labels))
        ]

    def _stored(
        self, matchers: tuple[Matcher, ...], after_ms: int, through_ms: int, most: int
    ) -> Sequence[Series]:
        name = _name_of(matchers)
        wanted = self._wanted.get(name or "")
        if (
            name
            and wanted is not None
            and len(wanted.selectors) >= SHARED_FROM
            and self._at_ms - wanted.reach_ms <= after_ms
            and through_ms <= self._at_ms
        ):
            shared = self._read_shared(name, wanted)
            if shared is not None:
                rest = [one for one in matchers if one.label != NAME]
                return [
                    cut
                    for one in shared
                    if meets_all(rest, dict(one.labels))
                    and (cut := _cut(one, after_ms, through_ms)) is not None
                ]
        key = (matchers, after_ms, through_ms)
        if key not in self._asked:
            self._asked[key] = self._store.select(matchers, after_ms, through_ms, most)
        return self._asked[key]

    def _read_shared(self, name: str, wanted: _Wanted) -> Sequence[Series] | None:
        from longpole.analyzer.promql.refusals import TooMuch

        if name not in self._shared:
            matcher = Matcher(NAME, MatchOp.EQUAL, name)
            after = self._at_ms - wanted.reach_ms
            try:
                self._shared[name] = self._store.select(
                    [matcher], after, self._at_ms, MOST_SHARED_SAMPLES
                )
            except TooMuch:
                self._shared[name] = None
        return self._shared[name]


def wanted_of(expressions: Iterable[Expression], lookback_ms: int) -> dict[str, _Wanted]:
    """What the expressions of a group ask of each metric."""
    selectors: dict[str, set[tuple[Matcher, ...]]] = {}
    reach: dict[str, int] = {}
    waiting: list[tuple[Expression, int]] = [(one, 0) for one in expressions]
    while waiting:
        node, before_ms = waiting.pop()
        match node:
            case VectorSelector():
                name = _name_of(node.matchers)
                if name and not node.shift.is_fixed:
                    selectors.setdefault(name, set()).add(node.matchers)
                    far = before_ms + node.shift.offset_ms + lookback_ms
                    reach[name] = max(reach.get(name, 0), far)
            case MatrixSelector():
                # The lookback comes on top, which reads a little more than is needed.
                waiting.append((node.selector, before_ms + node.range_ms))
            case Subquery():
                waiting.append((node.inner, before_ms + node.range_ms + node.shift.offset_ms))
            case Binary():
                waiting += [(node.left, before_ms), (node.right, before_ms)]
            case Aggregation():
                waiting.append((node.inner, before_ms))
                if node.parameter is not None:
                    waiting.append((node.parameter, before_ms))
            case Call():
                waiting += [(one, before_ms) for one in node.arguments]
            case Paren() | Unary():
                waiting.append((node.inner, before_ms))
    return {name: _Wanted(frozenset(held), reach[name]) for name, held in selectors.items()}


def _name_of(matchers: Sequence[Matcher]) -> str | None:
    names = [one.value for one in matchers if one.label == NAME and one.op is MatchOp.EQUAL]
    return names[0] if len(names) == 1 else None


def _cut(series: Series, after_ms: int, through_ms: int) -> Series | None:
    start, end = np.searchsorted(series.times_ms, (after_ms, through_ms), "right")
    if start == end:
        return None
    if start == 0 and end == series.times_ms.size:
        return series
    return Series(series.labels, series.times_ms[start:end], series.values[start:end])


def _appended(before: Series | None, sample: Sample) -> Series:
    time, value = np.array([sample.time_ms], np.int64), np.array([sample.value])
    if before is None:
        return Series(sample.labels, time, value)
    kept = int(np.searchsorted(before.times_ms, sample.time_ms))
    return Series(
        sample.labels,
        np.concatenate([before.times_ms[:kept], time, before.times_ms[kept:]]),
        np.concatenate([before.values[:kept], value, before.values[kept:]]),
    )
