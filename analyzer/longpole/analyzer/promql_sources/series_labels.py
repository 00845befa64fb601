"""The labels of stored series: a resource and attributes as Prometheus has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from longpole.analyzer.promql_sources.otlp_names import (
    attribute_text,
    attributes_as_labels,
    label_name,
    metric_name,
)

RECORDED = "longpole.recorded"
_IDENTIFYING = ("service.namespace", "service.name", "service.instance.id")


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """One stored series: the name of its family, and the labels that all of its samples have.
    `is_recorded`: name and attributes are those of a series already (a recording rule's)."""

    series_id: int
    resource_id: int
    family: str
    labels: Mapping[str, str]
    type: str
    is_delta: bool
    is_monotonic: bool
    is_recorded: bool
    help: str
    unit: str


def translated(row: Mapping[str, Any], promoted: tuple[str, ...]) -> StoredSeries:
    """What a row of `answers.KNOWN_SERIES` stands for."""
    attributes, resource = json.loads(row["attributes"]), json.loads(row["resource"])
    is_recorded = resource.get(RECORDED) is True
    if is_recorded:
        family = row["name"]
        labels = {key: attribute_text(value) for key, value in attributes.items()}
    else:
        family = metric_name(row["name"], row["unit"], row["type"], row["is_monotonic"])
        labels = _labels(attributes, resource, promoted)
    return StoredSeries(
        row["series_id"], row["resource_id"], family,
        {name: value for name, value in labels.items() if value},
        row["type"], row["temporality"] == 1, bool(row["is_monotonic"]), is_recorded,
        row["description"] or "", row["unit"] or "",
    )  # fmt: skip


def target_info(resource: Mapping[str, Any]) -> dict[str, str] | None:
    """The labels of a resource's `target_info` without the name; None for a resource that has
    nothing to tell, or nothing that tells whose it is."""
    told = {key: value for key, value in resource.items() if key not in _IDENTIFYING}
    if not told or resource.get(RECORDED) is True:
        return None
    labels = _labels(told, resource, ())
    if not ("job" in labels or "instance" in labels):
        return None
    return {name: value for name, value in labels.items() if value}


def _labels(
    attributes: Mapping[str, Any], resource: Mapping[str, Any], promoted: tuple[str, ...]
) -> dict[str, str]:
    labels = attributes_as_labels(attributes)
    for key in sorted(promoted):
        if key in resource and (name := label_name(key)):
            labels.setdefault(name, attribute_text(resource[key]))
    if "service.name" in resource:
        job = attribute_text(resource["service.name"])
        if "service.namespace" in resource:
            job = f"{attribute_text(resource['service.namespace'])}/{job}"
        labels["job"] = job
    if "service.instance.id" in resource:
        labels["instance"] = attribute_text(resource["service.instance.id"])
    return labels
