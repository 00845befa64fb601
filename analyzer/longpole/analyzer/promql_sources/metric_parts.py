"""Which series come of a stored one, by the type of its metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from longpole.analyzer.promql.expressions import Matcher
from longpole.analyzer.promql.numbers import written
from longpole.analyzer.promql.selectors import NAME, meets, meets_all
from longpole.analyzer.promql.series import Labels, labels_of
from longpole.analyzer.promql_sources.exponential import bounds_of, grid_of
from longpole.analyzer.promql_sources.series_labels import StoredSeries

PART_LABELS = frozenset({NAME, "le", "quantile"})
_Shape = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One series that comes of a stored one. `kind`: value, sum, count, bucket, quantile, or
    native for a series of native histograms; `at` is the upper bound of a bucket (inf for all), or
    the quantile."""

    kind: str
    at: float
    labels: Labels


@dataclass(frozen=True, slots=True)
class Chosen:
    """One stored series and which of its parts are wanted."""

    series: StoredSeries
    parts: Sequence[Part]


def own_labels_meet(one: StoredSeries, matchers: Sequence[Matcher]) -> bool:
    """Whether the labels that all parts share meet the matchers of such labels."""
    return all(
        meets(matcher, one.labels.get(matcher.label, ""))
        for matcher in matchers
        if matcher.label not in PART_LABELS
    )


def parts_of(
    one: StoredSeries, shapes: Sequence[_Shape], matchers: Sequence[Matcher]
) -> list[Part]:
    """The parts whose name, bound and quantile meet the matchers, if the shared labels do."""
    if not one.family or not own_labels_meet(one, matchers):
        return []
    checked = [matcher for matcher in matchers if matcher.label in PART_LABELS]
    names = [matcher for matcher in checked if matcher.label == NAME]
    found: list[Part] = []
    for kind, suffix in _KINDS[one.type]:
        name = one.family + suffix
        if not all(meets(matcher, name) for matcher in names):
            continue
        for at, extra in _places(one, kind, shapes):
            shown = {**one.labels, **extra, NAME: name}
            if meets_all(checked, shown):
                found.append(Part(kind, at, labels_of(shown)))
    return found


_NUMBER = (("value", ""),)
_HISTOGRAM = (("sum", "_sum"), ("count", "_count"), ("bucket", "_bucket"))
_KINDS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "gauge": _NUMBER,
    "sum": _NUMBER,
    "histogram": _HISTOGRAM,
    "exponential_histogram": (*_HISTOGRAM, ("native", "")),
    "summary": (("sum", "_sum"), ("count", "_count"), ("quantile", "")),
}


def _places(
    one: StoredSeries, kind: str, shapes: Sequence[_Shape]
) -> Iterator[tuple[float, dict[str, str]]]:
    """Bounds or quantiles with the label that tells them apart; one nameless place otherwise."""
    if kind == "bucket":
        for bound in bucket_bounds(one, shapes):
            yield bound, {"le": written(bound)}
    elif kind == "quantile":
        for quantile in sorted({q for shape in shapes for q in shape["quantiles"] or ()}):
            yield quantile, {"quantile": written(quantile)}
    elif kind != "sum" or any(shape["has_sum"] for shape in shapes):
        yield 0.0, {}


def bucket_bounds(one: StoredSeries, shapes: Sequence[_Shape]) -> list[float]:
    """Every upper bound that a histogram has in these shapes, the infinite one last."""
    if one.type == "exponential_histogram":
        grid = bounds_of(grid_of(shapes, "negative"), grid_of(shapes, "positive"))
        bounds = set(grid)
    else:
        bounds = {bound for shape in shapes for bound in shape["explicit_bounds"] or ()}
    return [*sorted(bound for bound in bounds if bound != float("inf")), float("inf")]
