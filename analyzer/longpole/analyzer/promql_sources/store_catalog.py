"""The catalog of everything that PromQL can ask of a store."""

from __future__ import annotations

from dataclasses import dataclass, field

from longpole.analyzer.promql.catalog import SeriesCatalog
from longpole.analyzer.promql_sources import family_names
from longpole.analyzer.promql_sources.path_metrics import path_metrics
from longpole.analyzer.promql_sources.service_graph import service_graph
from longpole.analyzer.promql_sources.span_metrics import CONNECTOR, TEMPO, SpanMetrics
from longpole.analyzer.promql_sources.step_grid import StepSettings
from longpole.analyzer.promql_sources.stored_metrics import StoredMetrics
from longpole.analyzer.promql_sources.stored_series import JoinedCatalog, PartialCatalog
from longpole.model.clock import Clock
from longpole.storage.ports import TraceReader


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """`promoted` are attributes of resources that become labels of all of their series; `families`
    are those made of spans; `most_keys` bounds what is told apart in each of them."""

    promoted: tuple[str, ...] = family_names.PROMOTED
    families: tuple[str, ...] = family_names.FAMILIES
    steps: StepSettings = field(default_factory=StepSettings)
    most_keys: int = 10_000


_DEFAULTS = SourceSettings()


def stored_series(
    store: TraceReader, clock: Clock, settings: SourceSettings = _DEFAULTS
) -> SeriesCatalog:
    """Metrics that were sent, series that rules recorded, and what spans say."""
    parts: list[PartialCatalog] = [StoredMetrics(store, settings.promoted)]
    named = ((family_names.TEMPO, TEMPO), (family_names.CONNECTOR, CONNECTOR))
    families = [family for name, family in named if name in settings.families]
    steps, most = settings.steps, settings.most_keys
    if families:
        parts.append(SpanMetrics(store, clock, steps, most, families))
    if family_names.SERVICE_GRAPH in settings.families:
        parts.append(service_graph(store, clock, steps, most))
    if family_names.CRITICAL_PATH in settings.families:
        parts.append(path_metrics(store, clock, steps, most))
    return JoinedCatalog(parts)
