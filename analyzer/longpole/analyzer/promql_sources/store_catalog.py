"""The catalog of everything that PromQL can ask of a store."""

from __future__ import annotations

from dataclasses import dataclass, field

from longpole.analyzer.promql.catalog import SeriesCatalog
from longpole.analyzer.promql_sources.path_metrics import PathMetrics
from longpole.analyzer.promql_sources.series_labels import PROMOTED
from longpole.analyzer.promql_sources.service_graph import ServiceGraph
from longpole.analyzer.promql_sources.span_metrics import CONNECTOR, TEMPO, SpanMetrics
from longpole.analyzer.promql_sources.step_grid import StepSettings
from longpole.analyzer.promql_sources.stored_metrics import StoredMetrics
from longpole.analyzer.promql_sources.stored_series import JoinedCatalog, PartialCatalog
from longpole.model.clock import Clock
from longpole.storage.ports import TraceReader


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """`promoted` are attributes of resources that become labels of all of their series;
    `most_keys` bounds what is told apart in each family of metrics from spans, each of which can be
    switched off."""

    promoted: tuple[str, ...] = PROMOTED
    steps: StepSettings = field(default_factory=StepSettings)
    most_keys: int = 10_000
    has_tempo: bool = True
    has_connector: bool = True
    has_service_graph: bool = True
    has_critical_path: bool = True


_DEFAULTS = SourceSettings()


def stored_series(
    store: TraceReader, clock: Clock, settings: SourceSettings = _DEFAULTS
) -> SeriesCatalog:
    """Metrics that were sent, series that rules recorded, and what spans say."""
    switches = ((TEMPO, settings.has_tempo), (CONNECTOR, settings.has_connector))
    families = [family for family, is_on in switches if is_on]
    parts: list[PartialCatalog] = [
        StoredMetrics(store, settings.promoted),
        SpanMetrics(store, clock, settings.steps, settings.most_keys, families),
    ]
    if settings.has_service_graph:
        parts.append(ServiceGraph(store, clock, settings.steps, settings.most_keys))
    if settings.has_critical_path:
        parts.append(PathMetrics(store, clock, settings.steps, settings.most_keys))
    return JoinedCatalog(parts)
