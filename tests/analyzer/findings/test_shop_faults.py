"""One recorded trace of the sample shop for each of these faults, and some with none.

Recorded with the fault switched on and three customers a second; attributes that no detector
reads were left out. What must be found is what `faults.toml` said before there were detectors.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.findings import (
    chains,
    circuit_open,
    clock_skew,
    cold_start,
    errors,
    queues,
    sagas,
    shared_database,
)
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES, spans_of_whole_traces
from longpole.cli.telemetry_files import content_of, telemetry_in
from longpole.model.clock import ManualClock
from longpole.model.finding import Finding, FindingSeverity
from longpole.storage.memory import MemoryStore

RECORDINGS = Path(__file__).parent / "recordings"
FAULTS: dict[str, dict[str, Any]] = {
    fault["name"]: fault
    for fault in tomllib.loads(
        (Path(__file__).parents[3] / "sample-apps" / "faults.toml").read_text()
    )["fault"]
}
RECORDED = (
    "payment-down",
    "notification-poison-message",
    "saga-charge-fails",
    "saga-reserve-fails",
    "saga-email-fails",
    "saga-ship-fails",
    "saga-missing-compensation",
    "inventory-clock-skew",
    "recommendation-cold-start",
    "gateway-deep-chain",
    "shipping-shared-database",
    "shipping-cyclic-call",
)
DETECTORS = tuple(
    detector
    for module in (
        errors, circuit_open, chains, sagas, queues, shared_database, cold_start, clock_skew,
    )
    for detector in module.DETECTORS
)  # fmt: skip


def recorded(name: str) -> Iterator[Explanation]:
    """The traces of one recording."""
    file = RECORDINGS / f"{name}.json"
    clock = ManualClock()
    store = MemoryStore(clock, settle_after_seconds=0.0, settle_at_most_seconds=0.0)
    for telemetry in telemetry_in(file, content_of(file)):
        store.submit(telemetry, clock.now_unix_nano()).result()
    whole = store.quiet_traces(100, ANALYSIS_ATTRIBUTES)
    store.close()
    for _, spans in spans_of_whole_traces(whole):
        yield explain(spans)


def findings_in(explanation: Explanation) -> list[Finding]:
    return [each for detector in DETECTORS for each in detector.look(explanation, Thresholds())]


@pytest.mark.parametrize("name", RECORDED)
def test_a_fault_is_found_where_it_is(name: str) -> None:
    fault = FAULTS[name]
    (explanation,) = recorded(name)
    found = [
        finding
        for finding in findings_in(explanation)
        if finding.detector == fault["detector"]
        and (finding.service, finding.operation) == (fault["service"], fault["operation"])
    ]
    assert len(found) == 1
    assert found[0].severity is not FindingSeverity.INFO


@pytest.mark.parametrize("name", RECORDED)
def test_a_fault_is_not_taken_for_another_one(name: str) -> None:
    (explanation,) = recorded(name)
    warned = {
        f.detector for f in findings_in(explanation) if f.severity is not FindingSeverity.INFO
    }
    assert warned <= {FAULTS[name]["detector"]}


def test_a_declined_card_is_information_on_any_day() -> None:
    (explanation,) = recorded("declined-card")
    (finding,) = findings_in(explanation)
    assert (finding.detector, finding.severity) == ("error_propagation", FindingSeverity.INFO)
    assert finding.service == "payment-service"


def test_healthy_traces_show_nothing() -> None:
    explanations = list(recorded("healthy"))
    assert len(explanations) >= 3
    assert [finding for each in explanations for finding in findings_in(each)] == []
