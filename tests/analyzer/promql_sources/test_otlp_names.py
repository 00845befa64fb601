"""Names are those that Prometheus' own translator makes."""

from __future__ import annotations

import json
from pathlib import Path

from longpole.analyzer.promql_sources.otlp_names import label_name, metric_name

PEER = json.loads(Path(__file__).with_name("names_of_prometheus.json").read_text())
KINDS = (("gauge", False), ("sum", True), ("sum", False), ("histogram", False))


def test_names_of_metrics_are_those_of_prometheus() -> None:
    mine = [
        [name, unit, *(metric_name(name, unit, *kind) for kind in KINDS)]
        for name, unit, *_ in PEER["names"]
    ]
    assert mine == PEER["names"]


def test_names_of_labels_are_those_of_prometheus() -> None:
    assert [[key, label_name(key)] for key, _ in PEER["labels"]] == PEER["labels"]
