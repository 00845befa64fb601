"""What is typical for a trace: others of its root, around their median."""

from __future__ import annotations

from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.reports.compare_traces_report import typical_side
from longpole.analyzer.reports.typical_traces import HOUR_NS, typical_traces
from longpole.formats.rows import telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.span import Span
from longpole.storage.memory import MemoryStore

MS = 1_000_000
NOW = 1_767_323_045_000_000_000


def request(trace_id: int, start: int, took_ms: int, name: str = "GET /") -> Span:
    return Span(
        trace_id=trace_id, span_id=1, parent_span_id=0, name=name, kind=2, start_unix_nano=start,
        end_unix_nano=start + took_ms * MS, service_name="web",
    )  # fmt: skip


def stored(spans: list[Span]) -> MemoryStore:
    store = MemoryStore(ManualClock(), 0.0, 0.0)
    store.submit(telemetry_of_spans(spans), NOW).result()
    return store


def explained(store: MemoryStore, trace_id: int) -> Explanation:
    found = store.trace(trace_id)
    assert found is not None
    return explain(found)


def test_the_middle_fifth_of_the_hour_before_is_typical() -> None:
    others = [request(10 + n, NOW - (n + 1) * MS, 100 + n) for n in range(41)]
    store = stored([*others, request(1, NOW, 5_000), request(2, NOW - MS, 9_000, "POST /")])
    found = typical_traces(store, explained(store, 1))
    assert found is not None
    assert (found.looked_at, found.median_ns, found.median) == (41, 120 * MS, 30)
    assert found.trace_ids == tuple(range(27, 35))
    assert found.time.end_unix_nano - found.time.start_unix_nano == HOUR_NS


def test_where_the_hour_has_too_few_a_longer_time_counts() -> None:
    others = [request(10 + n, NOW - 3 * HOUR_NS - n, 100) for n in range(20)]
    store = stored([*others, request(8, NOW - MS, 900), request(1, NOW, 5_000)])
    found = typical_traces(store, explained(store, 1))
    assert found is not None
    assert (found.looked_at, found.median_ns) == (21, 100 * MS)


def test_a_trace_without_others_has_nothing_typical() -> None:
    store = stored([request(1, NOW, 5_000), request(2, NOW, 5_000, "POST /")])
    assert typical_traces(store, explained(store, 1)) is None
    assert typical_side(store, explained(store, 1)) is None
