"""Traces of any size and shape are explained in one go; how long it took is printed."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from bench.made_traces.batches import deep, flat, random_tree, small_traces

from longpole.analyzer.columnar.loops import compile_all
from longpole.analyzer.columnar.paths import BatchPaths, batch_paths
from longpole.storage.ports import WholeTraces
from tests.analyzer.columnar.agreement import whole_agrees

FAR_TOO_LONG_SECONDS = 60.0


def is_partition(paths: BatchPaths) -> bool:
    """Whether the segments of every trace are exactly its root's interval, without gaps."""
    segments, batch = paths.segments, paths.batch
    roots = paths.forest.primary
    first, last = segments.offsets[:-1], segments.offsets[1:] - 1
    follows = segments.starts[1:] == segments.ends[:-1]
    follows[last[:-1]] = True  # between traces
    return bool(
        follows.all()
        and (segments.starts < segments.ends).all()
        and (segments.starts[first] == batch.starts[roots]).all()
        and (segments.ends[last] == batch.ends[roots]).all()
        and int(segments.critical_ns.sum()) == int((batch.ends - batch.starts)[roots].sum())
    )


@pytest.mark.parametrize("make", [flat, deep, random_tree])
def test_made_shapes_are_explained_as_plainly(make: Callable[[int], WholeTraces]) -> None:
    assert whole_agrees(make(2_000)) == 0


def test_made_small_traces_are_explained_as_plainly() -> None:
    assert whole_agrees(small_traces(200)) == 0


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("make", "count"),
    [(flat, 1_000_000), (deep, 100_000), (random_tree, 100_000), (small_traces, 100_000)],
    ids=["flat-1m", "deep-100k", "random-100k", "small-100k"],
)
def test_big_traces_are_partitioned(
    make: Callable[[int], WholeTraces], count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = make(count)
    compile_all()
    begin = time.perf_counter(), time.process_time()
    paths = batch_paths(whole)
    wall, cpu = time.perf_counter() - begin[0], time.process_time() - begin[1]
    with capsys.disabled():
        print(f"\n{make.__name__} {whole.spans.num_rows:,} spans: {wall:.2f} s ({cpu:.2f} busy)")
    assert paths.odd.size == 0
    assert is_partition(paths)
    assert cpu < FAR_TOO_LONG_SECONDS
