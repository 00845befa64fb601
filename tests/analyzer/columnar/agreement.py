"""Compares everything that the columnar core and the plain implementation both say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from longpole.analyzer.call_path import call_path_ids
from longpole.analyzer.columnar.derived import COLUMNAR_TABLES, derived_tables
from longpole.analyzer.columnar.labelling import LABELS
from longpole.analyzer.columnar.odd import odd_explanations
from longpole.analyzer.columnar.paths import BatchPaths, batch_paths
from longpole.analyzer.columnar.totals import path_totals
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.derived_rows import DerivedColumns
from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.path_aggregate import PathAggregate
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES, spans_of_whole_traces
from longpole.analyzer.verdict import failure_of, verdict_line, verdict_of
from longpole.model.trace import Trace
from longpole.storage.ports import PATH_GROUP_COLUMNS, TraceState, WholeTraces
from tests.analyzer.arrow_traces import whole_traces

GROUPINGS = [(), PATH_GROUP_COLUMNS, *((name,) for name in PATH_GROUP_COLUMNS)]


def agrees(traces: Sequence[Trace], options: PathOptions | None = None) -> int:
    """Fails at the first difference; how many the columnar core left alone as odd."""
    named = [replace(one, trace_id=place + 1) for place, one in enumerate(traces) if one.spans]
    return whole_agrees(whole_traces(named, ANALYSIS_ATTRIBUTES), options)


def whole_agrees(whole: WholeTraces, options: PathOptions | None = None) -> int:
    """The same for traces that are columns already."""
    paths = batch_paths(whole, options)
    plain = [(state, explain(spans, options)) for state, spans in spans_of_whole_traces(whole)]
    odd = set(paths.odd.tolist())
    for place, (_, explanation) in enumerate(plain):
        if place not in odd:
            path_agrees(paths, place, explanation)
    totals_agree(paths, [e for place, (_, e) in enumerate(plain) if place not in odd])
    derived_agrees(paths, plain, options)
    return len(odd)


def path_agrees(paths: BatchPaths, place: int, plain: Explanation) -> None:
    """The path of one trace, segment for segment."""
    batch, forest, segments = paths.batch, paths.forest, paths.segments
    peers = [*batch.service_names, *batch.peer_names]
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
    detached = forest.is_detached[first : int(batch.offsets[place + 1])].nonzero()[0].tolist()
    assert set(detached) == set(plain.detached)
    done = plain.completeness
    root = int(forest.primary[place])
    assert (
        root - first if root >= 0 else -1,
        int(segments.ambiguous_ns[place]),
        int(forest.orphans[place]),
        int(forest.detached[place]),
        bool(forest.is_headless[place]),
    ) == (plain.root, plain.ambiguous_ns, done.orphans, done.detached, done.headless)


def totals_agree(paths: BatchPaths, plain: Sequence[Explanation]) -> None:
    """The sums of the traces that are not odd, by every grouping."""
    for group_by in GROUPINGS:
        expected = PathAggregate(group_by)
        for explanation in plain:
            expected.add(explanation)
        assert path_totals(paths, group_by) == expected


def derived_agrees(
    paths: BatchPaths,
    plain: Sequence[tuple[TraceState, Explanation]],
    options: PathOptions | None,
) -> None:
    """The derived tables of all traces, row for row."""
    states = paths.batch.whole.traces
    expected = DerivedColumns()
    for state, explanation in plain:
        expected.add(state, explanation)
    odd = {}
    for place, explanation in odd_explanations(paths, options):
        alone = DerivedColumns()
        alone.add(states[place], explanation)
        odd[place] = alone.rows((states[place],)).tables
    found = derived_tables(
        paths, [verdict_line(verdict_of(e, detect(e)), failure_of(e)) for _, e in plain], odd
    )
    wanted = expected.rows(states).tables
    assert set(found) == set(COLUMNAR_TABLES)
    for name in COLUMNAR_TABLES:
        assert found[name].schema.equals(wanted[name].schema)
        assert found[name].to_pylist() == wanted[name].to_pylist(), name
        found[name].validate(full=True)
