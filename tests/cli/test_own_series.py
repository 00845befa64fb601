"""Own metrics as stored series: what they are called, and what is left out."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from longpole.analyzer.promql.expressions import Matcher, MatchOp
from longpole.analyzer.promql_sources.store_catalog import stored_series
from longpole.analyzer.red.span_counters import SpanCounters, SpanCounts
from longpole.cli.own_metrics import ingest_text, metrics_text
from longpole.cli.own_series import write_own_series
from longpole.collector.metrics import CollectorMetrics
from longpole.dashboards.ingest_rates import by_reason, counts_of
from longpole.model.clock import ManualClock
from longpole.storage.memory import MemoryStore


def test_what_the_metrics_page_shows_becomes_series_over_time() -> None:
    clock = ManualClock()
    store = MemoryStore(clock, 0.0, 0.0)
    registry = CollectorRegistry()
    page = metrics_text(registry, store, SpanCounters(), clock)
    began = clock.now_unix_nano() // 10**6
    for _ in range(2):
        clock.advance(30)
        write_own_series(registry, store, clock, "127.0.0.1:4319")

    shown = set(page().decode().split()) & {"longpole_storage_replayed", "process_open_fds"}
    assert len(shown) == 2
    everything = [Matcher("job", MatchOp.EQUAL, "longpole")]
    found = {
        dict(one.labels)["__name__"]: one
        for one in stored_series(store, clock).select(everything, began, began + 60_000, 10_000)
    }
    assert shown <= found.keys()
    series = found["longpole_storage_records"]
    assert dict(series.labels)["instance"] == "127.0.0.1:4319"
    assert series.times_ms.tolist() == [began + 30_000, began + 60_000]


def test_metrics_made_of_spans_are_left_out() -> None:
    clock = ManualClock()
    store = MemoryStore(clock, 0.0, 0.0)
    registry = CollectorRegistry()
    metrics_text(registry, store, SpanCounters(), clock)
    write_own_series(registry, store, clock, "a:1")
    now = clock.now_unix_nano() // 10**6
    made = [Matcher("__name__", MatchOp.REGEX, "traces_.*|longpole_critical_path_.*")]
    assert list(stored_series(store, clock).select(made, now - 1, now, 10_000)) == []


def test_what_the_status_page_asks_for_leaves_out_metrics_made_of_spans() -> None:
    registry, counters = CollectorRegistry(), AskedNever()
    collector = CollectorMetrics(registry)
    clock = ManualClock()
    metrics_text(registry, MemoryStore(clock, 0.0, 0.0), counters, clock)
    text = ingest_text(registry)
    collector.records.labels("traces", "accepted").inc(7)
    collector.refusals.labels("http", "too_large").inc()

    counts = counts_of(text())

    assert counts["collector_records_total", ("accepted", "traces")] == 7
    assert by_reason(counts, "collector_refusals_total", 0) == {"too_large": 1}
    assert counts["process_start_time_seconds", ()] > 0


class AskedNever(SpanCounters):
    """A server with a hundred thousand series, which take seconds to write out."""

    def counts(self) -> SpanCounts:
        raise AssertionError("the page of status collected the counters of all operations")
