"""Series as Tempo's `metrics/query_range` and `metrics/query` show them.

Range answers have every step, a value of 0 left out as protobuf does; instant ones are decoded with
strict jsonpb. An exemplar needs the label `trace:id`, and the plugin drops those of value 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from longpole.analyzer.traceql.columns import Kind
from longpole.analyzer.traceql.series import Exemplar, Series
from longpole.analyzer.traceql.steps import Steps
from longpole.grafana.tempo.search_answer import key_values

_DONE = {"completedJobs": 1, "totalJobs": 1}


def range_answer(series: Sequence[Series], steps: Steps) -> dict[str, Any]:
    """The document of a range."""
    times = [str(time) for time in steps.times_ms]
    return {"series": [_series(one, times) for one in series], "metrics": _DONE}


def instant_answer(series: Sequence[Series]) -> dict[str, Any]:
    """The document of one instant: the last sample of each series."""
    found = []
    for one in series:
        value = float(one.values[-1])
        if not math.isnan(value):
            found.append({"labels": key_values(one.labels), "value": value})
    return {"series": found, "metrics": _DONE}


def _series(series: Series, times: Sequence[str]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "labels": key_values(series.labels),
        "samples": [
            {"timestampMs": time, "value": value} if value else {"timestampMs": time}
            for time, value in zip(times, series.values.tolist(), strict=True)
            if not math.isnan(value)
        ],
    }
    exemplars = [_exemplar(one, series) for one in series.exemplars if one.value]
    if exemplars:
        document["exemplars"] = exemplars
    return document


def _exemplar(exemplar: Exemplar, series: Series) -> dict[str, Any]:
    own = (
        ("trace:id", Kind.TEXT, f"{exemplar.trace_id:032x}"),
        ("span:id", Kind.TEXT, f"{exemplar.span_id:016x}"),
    )
    labels = tuple(label for label in series.labels if not label[0].startswith("__"))
    return {
        "labels": key_values((*own, *labels)),
        "value": exemplar.value,
        "timestampMs": str(exemplar.time_ns // 10**6),
    }
