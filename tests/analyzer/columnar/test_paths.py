"""The columnar core gives the answers of the plain implementation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analyzer.columnar.labelling import LABELS
from longpole.analyzer.columnar.paths import batch_paths
from longpole.analyzer.critical_path import Overflow, PathOptions
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES
from longpole.model.span import Span, SpanKind
from longpole.model.trace import Trace
from longpole.storage.ports import TraceState
from tests.analyzer.arrow_traces import whole_traces
from tests.analyzer.columnar.agreement import agrees, whole_agrees
from tests.analyzer.columnar.seeded_traces import seeded_traces
from tests.analyzer.random_trees import any_spans, copied_spans, modes, nested_trees, trees
from tests.analyzer.span_builders import CASES, case_options, case_trace, span, trace

batches = st.lists(
    st.one_of(trees(), nested_trees(), any_spans(), copied_spans()), min_size=1, max_size=5
)
MODES = (
    PathOptions(Overflow.CLIP),
    PathOptions(Overflow.DETACH, 0, 0),
    PathOptions(Overflow.DETACH),
    PathOptions(Overflow.DETACH, 0, 3),
    PathOptions(Overflow.CLIP, 2),
    PathOptions(Overflow.DETACH, 2, 0),
    PathOptions(Overflow.DETACH, 1 << 70, 1 << 70),
)
TRACES_OF_SHORT_FORM = 300
SEEDS_OF_FULL_FORM, TRACES_OF_SEED = range(2, 12), 1_000
each_mode = pytest.mark.parametrize(
    "options", MODES, ids=lambda m: f"{m.overflow}-{m.eps_ns}-{m.tau_ns}"
)


@pytest.mark.full
@pytest.mark.timeout(900)
@settings(max_examples=2_000)
@given(batches, modes)
def test_random_batches_are_explained_as_one_by_one(
    traces: list[Trace], options: PathOptions
) -> None:
    agrees(traces, options)


# The hand-made cases meet every mode, and so does the full form.
@pytest.mark.parametrize("options", MODES[::3], ids=lambda m: f"{m.overflow}-{m.eps_ns}-{m.tau_ns}")
def test_hundreds_of_random_traces_are_explained_as_one_by_one(options: PathOptions) -> None:
    assert agrees(seeded_traces(1, TRACES_OF_SHORT_FORM), options) > 0


@pytest.mark.full
@pytest.mark.timeout(900)
@each_mode
def test_tens_of_thousands_of_random_traces_are_explained_as_one_by_one(
    options: PathOptions,
) -> None:
    for seed in SEEDS_OF_FULL_FORM:
        agrees(seeded_traces(seed, TRACES_OF_SEED), options)


@pytest.mark.parametrize(
    ("case", "options"),
    [
        pytest.param(case, options, id=f"{case['name']}-{place}")
        for case in CASES
        for place, options in enumerate(
            dict.fromkeys((*MODES, *(case_options(e["mode"]) for e in case["expected"])))
        )
    ],
)
def test_every_case_is_explained_as_plainly_in_every_mode(
    case: dict[str, Any], options: PathOptions
) -> None:
    agrees([case_trace(case)[0]], options)


def test_all_cases_together_are_explained_as_one_by_one() -> None:
    assert agrees([case_trace(case)[0] for case in CASES]) < len(CASES) / 4


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
    def call(span_id: int, start: int, error: bool, url: str = "http://pay/1") -> Span:
        return span(
            span_id, 1, start, start + 10, name="POST", kind=SpanKind.CLIENT, error=error,
            attributes={"url.full": url},
        )  # fmt: skip

    spans = [span(1, 0, 0, 100), call(2, 10, True), call(3, 30, True), call(4, 60, False)]
    assert agrees([trace(spans)]) == 0
    whole = whole_traces([trace(spans)], ANALYSIS_ATTRIBUTES)
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
    assert whole_agrees(whole_traces([], ANALYSIS_ATTRIBUTES)) == 0


def test_traces_without_spans_keep_their_place() -> None:
    one = whole_traces([replace(trace([span(1, 0, 0, 9)]), trace_id=5)], ANALYSIS_ATTRIBUTES)
    empty = [TraceState(number, 1, 0) for number in (3, 4, 6)]
    whole = replace(one, traces=(empty[0], empty[1], one.traces[0], empty[2]))
    assert whole_agrees(whole) == 0
    assert whole_agrees(replace(one, spans=one.spans.slice(0, 0), traces=tuple(empty))) == 0


def test_columns_in_pieces_and_in_the_middle_of_others_are_read_as_well() -> None:
    whole = whole_traces(seeded_traces(1, 9), ANALYSIS_ATTRIBUTES)
    rows = whole.spans.num_rows
    pieces = [whole.spans.slice(at, 5) for at in range(0, rows, 5)]
    assert whole_agrees(replace(whole, spans=pa.concat_tables(pieces))) >= 0
    last = whole_traces(seeded_traces(1, 1), ANALYSIS_ATTRIBUTES).spans.num_rows
    assert whole_agrees(replace(whole, spans=whole.spans.slice(last), traces=whole.traces[1:])) >= 0


def test_sums_beyond_64_bits_are_exact() -> None:
    endless = [trace([span(1, 0, 0, 1 << 62), span(2, 1, 0, 1 << 61)]) for _ in range(9)]
    assert agrees(endless) == 0


@pytest.mark.parametrize("count", [3_000, pytest.param(100_000, marks=pytest.mark.full)])
def test_wide_and_deep_traces_are_explained_as_plainly(count: int) -> None:
    flat = trace([span(1, 0, 0, 11 * count), *(span(i, 1, 7 * i, 10 * i) for i in range(2, count))])
    deep = trace(span(i, i - 1, i, 3 * count - i) for i in range(1, count + 1))
    assert agrees([flat, deep]) == 0
