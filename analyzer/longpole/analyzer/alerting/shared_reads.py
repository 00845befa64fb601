"""Series that many rules ask for, read from the store once for a whole round.

A read costs about the same however few series it wants, so the metrics of all rules that are due
are read together, by how far back they are looked at, and each selector takes its part of them.
Groups are evaluated side by side: who wants a metric that is being read waits for it, and for
nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import re2

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
from longpole.analyzer.promql.known_values import HeldValues
from longpole.analyzer.promql.refusals import TooMuch
from longpole.analyzer.promql.selectors import NAME, check_of
from longpole.analyzer.promql.series import Integers, Series, SeriesSource

Matchers = tuple[Matcher, ...]

# What one expression alone asks for is read for it alone.
SHARED_FROM = 2
# With more samples than that, each selector reads its own.
MOST_SAMPLES = 2_000_000
# In values of expressions that are kept, 40 MB.
MOST_NUMBERS = 5_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of one metric: by which selectors, of which time, and how often."""

    selectors: frozenset[Matchers]
    after_ms: int
    through_ms: int
    times: int = 1

    def joined(self, other: Wanted) -> Wanted:
        """What either asks."""
        return Wanted(
            self.selectors | other.selectors,
            min(self.after_ms, other.after_ms),
            max(self.through_ms, other.through_ms),
            self.times + other.times,
        )

    @property
    def only_selector(self) -> Matchers | None:
        """The selector that everybody means. The metric may have many series that nobody wants."""
        return next(iter(self.selectors)) if len(self.selectors) == 1 else None


@dataclass(frozen=True, slots=True)
class _Held:
    """The series of one metric with their labels as mappings; those in the time of `wanted`."""

    series: Sequence[Series]
    labels: Sequence[Mapping[str, str]]


class SharedReads:
    """The series of one round, and in `values` what expressions make of them. Nothing is read
    before it is asked for. Any thread may ask."""

    def __init__(self, store: SeriesSource, wanted: Mapping[str, Wanted]) -> None:
        self._store = store
        self._wanted = {name: one for name, one in wanted.items() if one.times >= SHARED_FROM}
        self._held: dict[str, _Held | None] = {}
        # By each of the metrics that are read together just now.
        self._reading: dict[str, Future[None]] = {}
        self._lock = threading.Lock()
        self._met: dict[tuple[str, Matchers], Sequence[Series]] = {}
        self._parts: dict[tuple[str, Matchers, int, int], Sequence[Series]] = {}
        self.values = HeldValues(MOST_NUMBERS)

    def holds(self, name: str, matchers: Matchers) -> bool:
        """Whether the series of a selector were read for all of the round."""
        return self._held.get(name) is not None and (
            self._wanted[name].only_selector in (None, matchers)
        )

    def matching(
        self, name: str, matchers: Matchers, after_ms: int, through_ms: int
    ) -> Sequence[Series] | None:
        """Series of the metric that meet the matchers with their samples in (after_ms, through_ms];
        None when they have to be read for themselves."""
        wanted = self._wanted.get(name)
        if wanted is None or after_ms < wanted.after_ms or through_ms > wanted.through_ms:
            return None
        only = wanted.only_selector
        if only is not None and only != matchers:
            return None
        self._have_read(name, wanted)
        held = self._held[name]
        if held is None:
            return None
        key = name, matchers
        if key not in self._met:
            meets = check_of([one for one in matchers if one.label != NAME])
            self._met[key] = [
                series
                for series, labels in zip(held.series, held.labels, strict=True)
                if meets(labels)
            ]
        # Groups that are due at one time ask the same.
        part = name, matchers, after_ms, through_ms
        if part not in self._parts:
            self._parts[part] = _cut(self._met[key], after_ms, through_ms)
        return self._parts[part]

    def _have_read(self, name: str, wanted: Wanted) -> None:
        """Until the metric is there: this thread reads it, unless another one does already."""
        with self._lock:
            if name in self._held:
                return
            reading = self._reading.get(name)
            if reading is None:
                names = self._alike(wanted) if wanted.only_selector is None else [name]
                mine: Future[None] = Future()
                self._reading.update(dict.fromkeys(names, mine))
        if reading is not None:
            reading.result()
            return
        try:
            self._read(names)
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(None)
        finally:
            with self._lock:
                for one in names:
                    del self._reading[one]

    def _alike(self, wanted: Wanted) -> list[str]:
        """Metrics that nobody reads yet and that are looked at about as far back."""
        size = (wanted.through_ms - wanted.after_ms).bit_length()
        return [
            name
            for name, one in self._wanted.items()
            if name not in self._held
            and name not in self._reading
            and one.only_selector is None
            and (one.through_ms - one.after_ms).bit_length() == size
        ]

    def _read(self, names: Sequence[str]) -> None:
        pattern = "|".join(re2.escape(name) for name in names)
        matchers: Matchers = (Matcher(NAME, MatchOp.REGEX, pattern),)
        if len(names) == 1:
            only = self._wanted[names[0]].only_selector
            matchers = (Matcher(NAME, MatchOp.EQUAL, names[0]),) if only is None else only
        after = min(self._wanted[name].after_ms for name in names)
        through = max(self._wanted[name].through_ms for name in names)
        try:
            found = self._store.select(matchers, after, through, MOST_SAMPLES)
        except TooMuch:
            self._held.update(dict.fromkeys(names))
            return
        by_name: dict[str, list[Series]] = {name: [] for name in names}
        labels = {id(one): dict(one.labels) for one in found}
        for one in found:
            by_name.setdefault(labels[id(one)].get(NAME, ""), []).append(one)
        for name in names:
            series = by_name[name]
            self._held[name] = _Held(series, [labels[id(one)] for one in series])


def _cut(series: Sequence[Series], after_ms: int, through_ms: int) -> list[Series]:
    """Those that have samples in the time, with these. Series that share their times go on sharing
    them, which makes windows of them cheap."""
    found: list[Series] = []
    known: Integers | None = None
    place = slice(0, 0)
    times = np.empty(0, np.int64)
    for one in series:
        if one.times_ms is not known:
            known = one.times_ms
            start, end = np.searchsorted(known, (after_ms, through_ms), "right").tolist()
            place, times = slice(start, end), known[start:end]
        if not times.size:
            continue
        held = None if one.histograms is None else one.histograms[place]
        found.append(Series(one.labels, times, one.values[place], held))
    return found


def wanted_of(expressions: Iterable[Expression], at_ms: int, lookback_ms: int) -> dict[str, Wanted]:
    """What expressions ask of each metric when they are evaluated at a time."""
    found: dict[str, Wanted] = {}
    waiting: list[tuple[Expression, int]] = [(one, 0) for one in expressions]
    while waiting:
        node, before_ms = waiting.pop()
        match node:
            case VectorSelector():
                name = name_of(node.matchers)
                if name and not node.shift.is_fixed and node.shift.offset_ms >= 0:
                    after = at_ms - before_ms - node.shift.offset_ms - lookback_ms
                    one = Wanted(frozenset([node.matchers]), after, at_ms)
                    found[name] = found[name].joined(one) if name in found else one
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
    return found


def joined(several: Iterable[Mapping[str, Wanted]]) -> dict[str, Wanted]:
    """What all of them ask."""
    found: dict[str, Wanted] = {}
    for wanted in several:
        for name, one in wanted.items():
            found[name] = found[name].joined(one) if name in found else one
    return found


def name_of(matchers: Sequence[Matcher]) -> str | None:
    """The metric that a selector names, if it names one."""
    names = [one.value for one in matchers if one.label == NAME and one.op is MatchOp.EQUAL]
    return names[0] if len(names) == 1 else None
