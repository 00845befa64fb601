"""The columnar core gives the answers of the plain implementation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analyzer.call_path import call_path_ids
from longpole.analyzer.columnar.labelling import LABELS
from longpole.analyzer.columnar.paths import batch_paths
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import explain
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES, spans_of_whole_traces
from longpole.model.span import SpanKind
from longpole.model.trace import Trace
from tests.analyzer.arrow_traces import whole_traces
from tests.analyzer.random_trees import any_spans, modes, nested_trees, trees
from tests.analyzer.span_builders import span, trace


def agrees(traces: Sequence[Trace], options: PathOptions | None = None) -> int:
    """Compare all that both say of each trace; how many the columnar core left alone as odd."""
    named = [replace(one, trace_id=place + 1) for place, one in enumerate(traces) if one.spans]
    whole = whole_traces(named, ANALYSIS_ATTRIBUTES)
    paths = batch_paths(whole, options)
    batch, forest, segments = paths.batch, paths.forest, paths.segments
    peers = [*batch.service_names, *batch.peer_names]
    odd = set(paths.odd.tolist())
    for place, (_, spans) in enumerate(spans_of_whole_traces(whole)):
        if place in odd:
            continue
        plain = explain(spans, options)
        chains = call_path_ids(plain.spans, plain.tree, plain.path.visited)
        expected = [
            (
                plain.spans.span_ids[s.span],
                s.label,
                s.start_unix_nano,
                s.end_unix_nano,
                s.peer,
                chains[s.span],
            )
            for s in plain.segments
        ]
        found = [
            (
                int(batch.span_ids[owner]),
                LABELS[segments.labels[i]],
                int(segments.starts[i]),
                int(segments.ends[i]),
                peers[segments.peers[i]] if segments.peers[i] >= 0 else None,
                int(paths.chains[paths.walks.node[owner]]),
            )
            for i in range(segments.offsets[place], segments.offsets[place + 1])
            for owner in [segments.owners[i]]
        ]
        assert found == expected
        first = int(batch.offsets[place])
        critical = segments.critical_ns[first : int(batch.offsets[place + 1])].tolist()
        assert {i: ns for i, ns in enumerate(critical) if ns} == plain.critical_ns
        done = plain.completeness
        assert (
            int(forest.primary[place]) - first,
            int(segments.ambiguous_ns[place]),
            int(forest.orphans[place]),
            int(forest.detached[place]),
            bool(forest.is_headless[place]),
        ) == (plain.root, plain.ambiguous_ns, done.orphans, done.detached, done.headless)
    return len(odd)


batches = st.lists(st.one_of(trees(), nested_trees(), any_spans()), min_size=1, max_size=5)


@settings(max_examples=800, deadline=None)
@given(batches, modes)
def test_random_batches_are_explained_as_one_by_one(
    traces: list[Trace], options: PathOptions
) -> None:
    agrees(traces, options)


@pytest.mark.full
@pytest.mark.timeout(900)
@settings(max_examples=20_000, deadline=None)
@given(batches, modes)
def test_thousands_of_random_batches_are_explained_as_one_by_one(
    traces: list[Trace], options: PathOptions
) -> None:
    agrees(traces, options)


def test_ordinary_traces_are_never_odd() -> None:
    nested = trace([span(1, 0, 0, 100), span(3, 1, 10, 60), span(2, 3, 20, 30), span(9, 1, 5, 8)])
    orphaned = trace([span(7, 4, 3, 9), span(6, 7, 4, 5)])
    backwards = trace([span(1, 0, 0, 50), span(2, 1, 30, 20)])
    assert agrees([nested, orphaned, backwards]) == 0


def test_repeated_ids_cycles_and_far_times_are_left_alone() -> None:
    assert agrees([trace([span(1, 0, 0, 9), span(1, 0, 0, 8)])]) == 1
    assert agrees([trace([span(1, 2, 0, 9), span(2, 1, 0, 8)])]) == 1
    assert agrees([trace([span(1, 1, 0, 9)])]) == 1
    assert agrees([trace([span(1, 0, 0, (1 << 63) - 1)])]) == 1


def test_attempts_leave_the_pauses_between_them() -> None:
    def call(span_id: int, start: int, error: bool, url: str = "http://pay/1") -> object:
        return span(
            span_id, 1, start, start + 10, name="POST", kind=SpanKind.CLIENT, error=error,
            attributes={"url.full": url},
        )  # fmt: skip

    spans = [span(1, 0, 0, 100), call(2, 10, True), call(3, 30, True), call(4, 60, False)]
    assert agrees([trace(spans)]) == 0  # type: ignore[arg-type]
    whole = whole_traces([trace(spans)], ANALYSIS_ATTRIBUTES)  # type: ignore[arg-type]
    segments = batch_paths(whole).segments
    labels = [str(LABELS[label]) for label in segments.labels]
    assert labels == [
        "self", "net_wait", "backoff", "net_wait", "backoff", "net_wait", "self",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "peer"),
    [
        ({"peer.service": "billing", "server.address": "10.0.0.1"}, "billing"),
        ({"server.address": "10.0.0.1"}, "10.0.0.1"),
        ({"peer.service": "", "url.full": "https://user@shop.example:8443/x"}, "shop.example"),
        ({"url.full": "no address"}, None),
        ({}, None),
    ],
)
def test_a_call_names_its_peer(keys: dict[str, str], peer: str | None) -> None:
    spans = [span(1, 0, 0, 9), span(2, 1, 2, 8, kind=SpanKind.CLIENT, attributes=dict(keys))]
    assert agrees([trace(spans)]) == 0
    paths = batch_paths(whole_traces([trace(spans)], ANALYSIS_ATTRIBUTES))
    names = [*paths.batch.service_names, *paths.batch.peer_names]
    codes = [code for code in paths.segments.peers.tolist() if code >= 0]
    assert [names[code] for code in codes] == ([peer] if peer else [])


def test_nothing_gives_nothing() -> None:
    paths = batch_paths(whole_traces([], ANALYSIS_ATTRIBUTES))
    assert paths.segments.owners.size == paths.odd.size == 0


@pytest.mark.parametrize("count", [3_000, pytest.param(100_000, marks=pytest.mark.full)])
def test_wide_and_deep_traces_are_explained_as_plainly(count: int) -> None:
    flat = trace([span(1, 0, 0, 11 * count), *(span(i, 1, 7 * i, 10 * i) for i in range(2, count))])
    deep = trace(span(i, i - 1, i, 3 * count - i) for i in range(1, count + 1))
    assert agrees([flat, deep]) == 0
