"""Queries against themselves: slower than they used to be, by the minute, or for a while."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from longpole.analyzer.calls import DB_SYSTEM, QUERY_TEXT, normalised_query, without_ids
from longpole.analyzer.databases import family_of
from longpole.analyzer.findings.detector import fingerprint_of
from longpole.analyzer.findings.slow_query import IDENTIFIER
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.findings.window.span_columns import Ints, SpanColumns
from longpole.analyzer.findings.window.statistics import rises, theil_sen
from longpole.analyzer.findings.window.window import Window, WindowDetector, WindowFinding
from longpole.analyzer.wording import counted, duration_text, named, quoted_query, times_text
from longpole.model.finding import FindingSeverity
from longpole.model.span import SpanKind

# service, span name, system, query without its literals
_Query: TypeAlias = tuple[str, str, str, str]
_ASKING = (int(SpanKind.CLIENT), int(SpanKind.INTERNAL), int(SpanKind.UNSPECIFIED))
_RISING = 0.4
_MOSTLY = 0.8  # of the runs of a slow while are slow


@dataclass(frozen=True, slots=True)
class _Series:
    """The runs of one query in the order of time; `change` is how many times slower it became,
    `was` what it took before. `rows` are those that tell: all, or those of the slow while."""

    query: _Query
    rows: Ints
    change: float
    was: int
    how: str


def queries(spans: SpanColumns) -> dict[_Query, Ints]:
    """Rows of the questions to databases, by query, in the order of time."""
    systems, texts = spans.words(*DB_SYSTEM), spans.words(*QUERY_TEXT)
    is_asked = (systems.codes >= 0) & np.isin(spans.kinds, _ASKING) & spans.is_inside
    asked = np.array([*(_number for _number in range(len(texts.texts))), -1], dtype=np.int64)
    plain: dict[str, int] = {}
    for code, text in enumerate(texts.texts):
        asked[code] = plain.setdefault(normalised_query(text), len(plain))
    rows = np.flatnonzero(is_asked)
    rows = rows[np.argsort(spans.starts[rows], kind="stable")]
    columns = [
        spans.service.codes[rows], spans.name.codes[rows], systems.codes[rows],
        asked[texts.codes[rows]],
    ]  # fmt: skip
    order = np.lexsort(columns)
    keys = np.stack([column[order] for column in columns])
    bounds = np.flatnonzero((np.diff(keys, axis=1) != 0).any(axis=0)) + 1
    words = [*plain, ""]
    found: dict[_Query, Ints] = {}
    for part in np.split(rows[order], bounds):
        if len(part):
            first = int(part[0])
            key = (
                spans.service.of(first), without_ids(spans.name.of(first)), systems.of(first),
                words[int(asked[texts.codes[first]])],
            )  # fmt: skip
            part.sort()
            part = part[np.argsort(spans.starts[part], kind="stable")]
            known = found.get(key)
            found[key] = part if known is None else np.concatenate([known, part])
    return found


def _look(window: Window, thresholds: Thresholds) -> Iterator[WindowFinding]:
    now = queries(window.spans)
    if not now:
        return
    before = queries(window.before) if len(window.before) else {}
    series = [
        one
        for query, rows in now.items()
        if (one := _series(window, query, rows, before.get(query), thresholds)) is not None
    ]
    # On a busy machine everything gets slower; what is wrong with one query is beyond that.
    changes = np.array([one.change for one in series], dtype=np.float64)
    for place, one in enumerate(series):
        others = np.delete(changes, place)
        common = max(1.0, float(np.median(others))) if len(others) else 1.0
        if one.how and one.change >= thresholds.slow_query_growth * common:
            yield _finding(window, one)


def _series(
    window: Window, query: _Query, rows: Ints, before: Ints | None, thresholds: Thresholds
) -> _Series | None:
    """None for a query of which there is too little to say how it changed."""
    durations = window.spans.durations[rows]
    least = thresholds.slow_query_samples
    if before is not None and len(before) >= least and len(rows) >= least // 4:
        past = window.before.durations[before]
        p95 = int(np.sort(past)[-(-len(past) * 95 // 100) - 1])
        typical = int(np.median(durations))
        is_slow = (
            typical >= thresholds.slow_query_baseline_ratio * p95
            and typical >= thresholds.slow_query_least_ns
        )
        change = typical / max(1, int(np.median(past)))
        was = int(np.median(past))
        if is_slow:
            return _Series(query, rows, change, was, "baseline")
    slow_while = episode(durations, thresholds)
    if slow_while is not None:
        inside, was = rows[slow_while], int(np.median(np.delete(durations, slow_while)))
        typical = int(np.median(window.spans.durations[inside]))
        return _Series(query, inside, typical / max(1, was), was, "episode")
    growth = _growth(window.spans.starts[rows], durations, thresholds)
    if growth is not None:
        change, was, is_growing = growth
        return _Series(query, rows, change, was, "growth" if is_growing else "")
    return None


def _growth(
    starts: Ints, durations: npt.NDArray[np.int64], thresholds: Thresholds
) -> tuple[float, int, bool] | None:
    """By how much the last third is slower than the first one, what the first one took, and
    whether that is growth: a slope, not a step or a few outliers."""
    third = len(durations) // 3
    if len(durations) < thresholds.slow_query_samples // 2 or third < 2:
        return None
    early, late = int(np.median(durations[:third])), int(np.median(durations[-third:]))
    is_growing = (
        late >= thresholds.slow_query_growth * early
        and late >= thresholds.slow_query_least_ns
        and rises(durations) >= _RISING
        and theil_sen(starts, durations) > 0
    )
    return late / max(1, early), early, is_growing


def episode(durations: Ints, thresholds: Thresholds) -> slice | None:
    """The while in which a query was slow, of its runs in the order of time: the stretch with the
    most slow runs over quick ones (Kadane's largest sum; a run is slow against the quickest
    quarter). None unless the stretch lies far above everything outside of it."""
    least = thresholds.slow_query_samples // 2
    if len(durations) < 2 * least:
        return None
    quick = float(np.quantile(durations, 0.25))
    limit = max(thresholds.slow_query_least_ns, thresholds.slow_query_baseline_ratio * quick)
    is_slow = durations >= limit
    sums = np.concatenate([[0], np.cumsum(np.where(is_slow, 1, -1))])
    gains = sums - np.minimum.accumulate(sums)
    end = int(np.argmax(gains))
    begin = end - int(np.argmin(sums[: end + 1][::-1]))
    inside, outside = durations[begin:end], np.delete(durations, slice(begin, end))
    if len(inside) < least or len(outside) < least or is_slow[begin:end].mean() < _MOSTLY:
        return None
    p95 = np.sort(outside)[-(-len(outside) * 95 // 100) - 1]
    is_apart = np.median(inside) >= thresholds.slow_query_baseline_ratio * p95
    return slice(begin, end) if is_apart else None


def _finding(window: Window, one: _Series) -> WindowFinding:
    spans = window.spans
    service, operation, system, asked = one.query
    durations = spans.durations[one.rows]
    family = family_of(system, asked)
    what = quoted_query(asked) if asked else named(operation)
    worst = np.argsort(-durations, kind="stable")
    excess = np.maximum(durations[worst] - one.was, 0)
    if one.how == "growth":
        third = len(durations) // 3
        late = duration_text(int(np.median(durations[-third:])))
        how = (
            f"gets slower while one looks: {duration_text(one.was)} at first, {late} at last "
            f"(medians of a third of {counted(len(durations), 'run')} each)"
        )
    elif one.how == "episode":
        starts = spans.starts[one.rows]
        lasted = duration_text(int(spans.ends[one.rows].max() - starts.min()))
        how = (
            f"took {duration_text(int(np.median(durations)))} (median of "
            f"{counted(len(durations), 'run')} within {lasted}), {times_text(one.change)} as long "
            f"as otherwise ({duration_text(one.was)})"
        )
    else:
        how = (
            f"takes {duration_text(int(np.median(durations)))} (median of "
            f"{counted(len(durations), 'run')}), {times_text(one.change)} as long as in the time "
            f"before ({duration_text(one.was)})"
        )
    name = spans.name.of(int(one.rows[worst[0]]))
    return WindowFinding(
        detector=IDENTIFIER,
        severity=FindingSeverity.WARNING,
        service=service,
        operation=name,
        reason=f"A {family.noun} of {named(service)} to {named(system or 'the database')} {how}: "
        f"{what}.",
        action=family.slow,
        fingerprint=fingerprint_of(
            IDENTIFIER, service, operation, without_ids(system), without_ids(asked)
        ),
        rows=tuple(int(row) for row in one.rows[worst]),
        excess_ns=tuple(int(ns) for ns in excess),
    )


DETECTOR = WindowDetector(
    IDENTIFIER,
    "A query gets slower",
    "The median of a query is `slow_query_baseline_ratio` times the P95 of its own past or more "
    "(with `slow_query_samples` runs there), or it is slow for a while (`slow_query_samples` / 2 "
    "runs or more in a row, nearly all of them slow against the quickest quarter of all, and their "
    "median `slow_query_baseline_ratio` times the P95 of the others, of which there are as many), "
    "or its runs get slower within the window (a rank correlation of 0.4, a Theil-Sen slope above "
    "zero, the last third `slow_query_growth` times as slow as the first). Always "
    "`slow_query_least_ns` or more, and `slow_query_growth` times beyond how the other queries "
    "changed. A warning.",
    _look,
)
