"""What `/metrics` counts of spans: everything once, and never less than before."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from longpole.analyzer.red.span_counters import CountingFeed, SpanCounters
from longpole.cli.span_counter_metrics import MERGED, REVISED, SpanCounterMetrics
from longpole.model.clock import ManualClock
from longpole.model.columns import RED_BOUNDS_NS
from longpole.model.query import TraceQuery
from longpole.storage.memory import MemoryStore
from tests.analyzer.promql_sources.settled_spans import random_traces, settle_all
from tests.storage.span_examples import submit_spans


def _is_grown(before: SpanCounters, now: SpanCounters) -> bool:
    old, new = before.counts(), now.counts()
    return all((new.red[key] >= old.red[key]).all() for key in old.red) and all(
        new.path[key] >= old.path[key] for key in old.path
    )


def test_every_span_counts_once_whatever_was_late_sent_twice_or_settled_before_a_restart() -> None:
    clock = ManualClock(1_760_000_000 * 10**9)
    store = MemoryStore(clock)
    counters = SpanCounters()
    feed = CountingFeed(store, store, counters)
    traces = random_traces(seed=3, count=80)
    late = [kept.pop() for kept in traces[::3] if len(kept) > 2]
    for kept in traces:
        submit_spans(store, *kept)
    settle_all(feed, clock)
    first = sum(row[0] for row in counters.counts().red.values())
    assert first == sum(len(kept) for kept in traces)
    again = SpanCounters()  # what a new process counts
    submit_spans(store, *late, *traces[0])
    settle_all(CountingFeed(store, store, again), clock)
    assert sum(row[0] for row in again.counts().red.values()) == len(late)
    spans = [one for kept in traces for one in kept] + late
    wanted = Counter((s.service_name, s.name, s.kind, s.status_code) for s in spans)
    both = Counter[tuple[object, ...]]()
    buckets, nanoseconds = np.zeros(len(RED_BOUNDS_NS) + 1), 0.0
    for counts in (counters.counts(), again.counts()):
        for key, row in counts.red.items():
            both[key] += int(row[0])
            buckets += row[2:]
            nanoseconds += row[1]
    assert both == wanted
    lengths = [s.end_unix_nano - s.start_unix_nano for s in spans]
    places = np.searchsorted(RED_BOUNDS_NS, lengths)
    assert buckets.tolist() == np.bincount(places, minlength=buckets.size).tolist()
    assert nanoseconds == sum(lengths)


def test_a_counter_never_falls_and_what_shrank_of_the_path_is_counted_apart() -> None:
    clock = ManualClock(1_760_000_000 * 10**9)
    store = MemoryStore(clock)
    counters = SpanCounters()
    feed = CountingFeed(store, store, counters)
    traces = random_traces(seed=4, count=60)
    for spans in zip(*(kept * 6 for kept in traces), strict=False):
        # One more span of every trace in each round; some of them were sent before.
        before = SpanCounters()
        before._red = {key: row.copy() for key, row in counters._red.items()}
        before._path = {key: row.copy() for key, row in counters._path.items()}
        submit_spans(store, *spans)
        settle_all(feed, clock)
        assert _is_grown(before, counters)
    counts = counters.counts()
    total = sum(counts.path.values()) - sum(counts.revised.values())
    roots = store.path_totals(TraceQuery(limit=None), ("service",)).roots
    assert total == roots["duration_sum_ns"][0].as_py()
    assert sum(counts.revised.values()) > 0


def test_the_page_has_the_names_that_dashboards_ask_for_and_bounds_its_series() -> None:
    clock = ManualClock(1_760_000_000 * 10**9)
    store = MemoryStore(clock)
    counters = SpanCounters(most_keys=4)
    traces = random_traces(seed=5, count=40)
    traces[0][0] = replace(traces[0][0], name='<b>"\n\\')
    for kept in traces:
        submit_spans(store, *kept)
    settle_all(CountingFeed(store, store, counters), clock)
    registry = CollectorRegistry()
    registry.register(SpanCounterMetrics(counters))
    text = generate_latest(registry).decode()
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    by_name = Counter(sample.name for sample in samples)
    assert by_name["traces_spanmetrics_calls_total"] <= 2 * 4 + 3 * 3
    calls = sum(s.value for s in samples if s.name == "traces_span_metrics_calls_total")
    assert calls == sum(len(kept) for kept in traces)
    buckets = [s for s in samples if s.name == "traces_spanmetrics_latency_bucket"]
    assert sum(s.value for s in buckets if s.labels["le"] == "+Inf") == calls
    (merged,) = (s.value for s in samples if s.name == MERGED)
    assert 0 < merged < calls
    assert by_name["longpole_critical_path_seconds_total"] > 0
    assert f"# TYPE {REVISED} counter" in text
