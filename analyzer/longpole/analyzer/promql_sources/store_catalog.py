"""The catalog of everything that PromQL can ask of a store."""

from __future__ import annotations

from dataclasses import dataclass

from longpole.analyzer.promql.catalog import SeriesCatalog
from longpole.analyzer.promql_sources.series_labels import PROMOTED
from longpole.analyzer.promql_sources.stored_metrics import StoredMetrics
from longpole.analyzer.promql_sources.stored_series import JoinedCatalog
from longpole.model.clock import Clock
from longpole.storage.ports import TraceReader


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """`promoted` are attributes of resources that become labels of all of their series."""

    promoted: tuple[str, ...] = PROMOTED


_DEFAULTS = SourceSettings()


def stored_series(
    store: TraceReader, clock: Clock, settings: SourceSettings = _DEFAULTS
) -> SeriesCatalog:
    """Metrics that were sent, series that rules recorded, and what spans say."""
    return JoinedCatalog([StoredMetrics(store, settings.promoted)])
