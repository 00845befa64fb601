"""Exemplars that senders attached to points of sums and histograms."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from longpole.analyzer.promql.catalog import Exemplar, SeriesExemplars
from longpole.analyzer.promql.series import Labels, labels_of
from longpole.analyzer.promql_sources.metric_parts import Chosen
from longpole.analyzer.promql_sources.otlp_names import attribute_text
from longpole.model.timerange import TimeRange
from longpole.storage.ports import MetricReader

_MS = 1_000_000
_MOST_POINTS = 200_000
_MOST_RUNES = 128  # OpenMetrics 1.0: names and values of an exemplar's labels together


def exemplars_of(
    reader: MetricReader, chosen: Sequence[Chosen], time: TimeRange
) -> list[SeriesExemplars]:
    """The exemplars in that time, each once, with the bucket it falls into."""
    ids = [one.series.series_id for one in chosen]
    rows = reader.series_points(ids, time, ["exemplars"], _MOST_POINTS)
    found: dict[Labels, dict[Exemplar, None]] = {}
    told = rows.filter(rows.column("exemplars").is_valid())
    for place, text in zip(
        told.column("place").to_pylist(), told.column("exemplars").to_pylist(), strict=True
    ):
        for sent in json.loads(text) if text else ():
            exemplar = _exemplar(sent)
            if exemplar is not None and _is_in(exemplar, time):
                labels = _series_of(chosen[place], exemplar.value)
                if labels is not None:
                    found.setdefault(labels, {})[exemplar] = None
    return [
        SeriesExemplars(labels, tuple(sorted(kept, key=lambda one: one.time_ms)))
        for labels, kept in found.items()
    ]


def _is_in(exemplar: Exemplar, time: TimeRange) -> bool:
    return time.start_unix_nano <= exemplar.time_ms * _MS < time.end_unix_nano


def _series_of(one: Chosen, value: float) -> Labels | None:
    """The wanted part that an exemplar belongs to: the lowest bucket that holds its value, else
    the native histogram."""
    if one.series.type in ("gauge", "sum"):
        return one.parts[0].labels if one.series.type == "sum" else None
    buckets = [part for part in one.parts if part.kind == "bucket"]
    here = bisect_left([part.at for part in buckets], value)
    if here < len(buckets):
        return buckets[here].labels
    return next((part.labels for part in one.parts if part.kind == "native"), None)


def _exemplar(sent: Mapping[str, Any]) -> Exemplar | None:
    value = sent.get("asDouble", sent.get("asInt"))
    if value is None:
        return None
    labels = {
        name: str(sent[key])
        for name, key in (("trace_id", "traceId"), ("span_id", "spanId"))
        if sent.get(key)
    }
    more = {str(pair.get("key", "")): _text(pair.get("value")) for pair in
            sent.get("filteredAttributes") or ()}  # fmt: skip
    both = {**more, **labels}
    if sum(len(name) + len(text) for name, text in both.items()) <= _MOST_RUNES:
        labels = both
    return Exemplar(labels_of(labels), float(value), int(sent.get("timeUnixNano", 0)) // _MS)


def _text(value: object) -> str:
    return attribute_text(value) if isinstance(value, dict) else ""
