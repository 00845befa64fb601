"""Rates from the server's own counters."""

from __future__ import annotations

from dataclasses import dataclass

from longpole.dashboards.ingest_rates import IngestRates, by_reason, counts_of
from longpole.model.clock import ManualClock


@dataclass
class On:
    clock: ManualClock


TEXT = """# HELP longpole_collector_records_total x
# TYPE longpole_collector_records_total counter
longpole_collector_records_total{{outcome="accepted",signal="traces"}} {spans}
longpole_collector_records_total{{outcome="rejected",signal="traces"}} 2
# TYPE longpole_collector_refusals_total counter
longpole_collector_refusals_total{{reason="too_large",transport="http"}} 3
longpole_collector_refusals_total{{reason="too_large",transport="grpc"}} 1
longpole_collector_refusals_total{{reason="overloaded",transport="grpc"}} 0
"""


def text(spans: int) -> bytes:
    return TEXT.format(spans=spans).encode()


def test_totals_are_there_at_the_first_look_and_rates_from_the_second() -> None:
    clock = ManualClock()
    rates = IngestRates(On(clock))

    first = rates.flows(counts_of(text(100)))[0]
    clock.advance(10)
    second = rates.flows(counts_of(text(600)))[0]

    assert (first.accepted, first.rejected, first.per_second) == (100, 2, None)
    assert second.per_second == 50.0


def test_looks_of_more_than_a_minute_ago_do_not_count() -> None:
    clock = ManualClock()
    rates = IngestRates(On(clock))
    rates.flows(counts_of(text(0)))
    clock.advance(61)

    assert rates.flows(counts_of(text(600)))[0].per_second is None


def test_reasons_add_up_over_transports_and_leave_out_nothing() -> None:
    assert by_reason(counts_of(text(1)), "collector_refusals_total", 0) == {"too_large": 4}


def test_no_metrics_are_no_figures() -> None:
    flows = IngestRates(On(ManualClock())).flows(counts_of(b""))

    assert [flow.accepted for flow in flows] == [0, 0, 0]
