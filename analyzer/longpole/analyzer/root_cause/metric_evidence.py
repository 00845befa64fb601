"""Metric evidence: services whose resources changed between two windows.

What instrumentation counts of requests themselves (their number, duration, size) is left out: the
traces show it better, and a slow callee moves it in every caller.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from longpole.analyzer.correlation.metric_moves import MetricMove, moves_of
from longpole.analyzer.correlation.metric_series import Series
from longpole.analyzer.root_cause.places import Evidence, EvidenceKind, Place
from longpole.analyzer.root_cause.settings import RootCauseSettings
from longpole.analyzer.wording import metric_text, named
from longpole.model.timerange import TimeRange

_OF_REQUESTS = re.compile(
    r"^(?:http|rpc)[._](?:server|client)[._]|^db[._]client[._]operation[._]|^messaging[._]"
    r"|^traces_|[._](?:requests?|calls)[._]duration"
)


def metric_evidence(
    series: Sequence[Series], window: TimeRange, baseline: TimeRange, settings: RootCauseSettings
) -> list[Evidence]:
    """Services by the robust z of the series that moved most. `strength` is that z's part of
    those of all services."""
    worst: dict[str, MetricMove] = {}
    of_resources = [one for one in series if not _OF_REQUESTS.search(one.name)]
    for move in moves_of(of_resources, window, baseline, settings.least_metric_z):
        worst.setdefault(move.series.service, move)
    total = sum(abs(move.z) for move in worst.values())
    found = [_evidence(service, move) for service, move in worst.items()]
    return sorted(
        (replace(one, strength=one.amount / total) for one in found),
        key=lambda one: (-one.amount, one.place),
    )


def _evidence(service: str, move: MetricMove) -> Evidence:
    one = move.series
    labels = ", ".join(named(value) for _, value in one.labels)
    what = named(one.name) + (f" ({labels})" if labels else "")
    return Evidence(
        kind=EvidenceKind.METRICS,
        place=Place(service),
        operation="",
        amount=abs(move.z),
        before=move.usual,
        after=move.value,
        words=f"{what} is {metric_text(move.value, one.unit, one.aspect)}, "
        f"usually {metric_text(move.usual, one.unit, one.aspect)}",
    )
