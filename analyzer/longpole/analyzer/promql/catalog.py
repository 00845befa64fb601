"""What is asked of a source of series beside samples: which there are, what they mean, and
which traces stand behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from longpole.analyzer.promql.expressions import Matcher
from longpole.analyzer.promql.series import Labels, SeriesSource


@dataclass(frozen=True, slots=True)
class MetricMetadata:
    """What senders say of a metric. `type` is Prometheus' word: counter, gauge, histogram,
    summary, info, unknown."""

    type: str
    help: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One measurement that a sample stands for; `labels` name its trace."""

    labels: Labels
    value: float
    time_ms: int


@dataclass(frozen=True, slots=True)
class SeriesExemplars:
    """The exemplars of one series, oldest first; at least one."""

    labels: Labels
    exemplars: tuple[Exemplar, ...]


class SeriesCatalog(SeriesSource, Protocol):
    """Series to look through. Times are those of `select`: (after_ms, through_ms]. A series
    counts when it has any sample there, stale ones included; without matchers all of them.
    `limit` cuts what comes back, 0 lets everything through."""

    def series(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, limit: int
    ) -> Sequence[Labels]:
        """Label sets, sorted."""
        ...

    def label_names(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, limit: int
    ) -> Sequence[str]:
        """Names of labels, `__name__` among them, sorted."""
        ...

    def label_values(
        self, name: str, matchers: Sequence[Matcher], after_ms: int, through_ms: int, limit: int
    ) -> Sequence[str]:
        """Values of one label, sorted; none for a label that no series has."""
        ...

    def metadata(self) -> Mapping[str, Sequence[MetricMetadata]]:
        """What is said of each metric by its name, most often one thing."""
        ...

    def exemplars(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int
    ) -> Sequence[SeriesExemplars]:
        """Series that have exemplars in that time, sorted by labels."""
        ...
