"""Paths: the critical paths of a whole batch, from Arrow columns to Arrow columns.

    WholeTraces ─▶ SpanBatch ─▶ right clocks ─▶ Forest ─▶ Walks ─▶ pauses between attempts
                ─▶ labelled segments

Odd traces (repeated ids, cycles, times that 64 bits hardly hold) go through `explain`, one by
one; they are listed in `BatchPaths.odd`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longpole.analyzer.call_path import ROOT_CHAIN, extended
from longpole.analyzer.clock_shift import NO_CLOCKS, Clocks, clocks_of_text
from longpole.analyzer.columnar.batch import SpanBatch, span_batch
from longpole.analyzer.columnar.forest import Forest, build_forest
from longpole.analyzer.columnar.labelling import LabelledSegments, label_all
from longpole.analyzer.columnar.loops import compile_all
from longpole.analyzer.columnar.right_clocks import with_right_clocks
from longpole.analyzer.columnar.walking import Walks, walk_all
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.labels import merged_gaps
from longpole.analyzer.path_spans import AttributeLookup, PathSpans, attributes_of_table
from longpole.analyzer.retries import retries
from longpole.storage.ports import WholeTraces

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BatchPaths:
    """The paths of a batch. `chains[n]` is the 64-bit id of call path n of `walks`. `odd` are
    the places of the traces that have to be explained one by one: they have no segments.
    `clocks` are those that were asked for, `applied` those that times were corrected by, both
    with an entry for each trace."""

    batch: SpanBatch
    forest: Forest
    walks: Walks
    segments: LabelledSegments
    chains: npt.NDArray[np.uint64]
    odd: Ints
    clocks: Sequence[Clocks]
    applied: Sequence[Clocks]


def batch_paths(
    whole: WholeTraces,
    options: PathOptions | None = None,
    clocks: Sequence[Clocks] | None = None,
) -> BatchPaths:
    """The critical path of every trace of `whole`. Compiles first if `readiness` did not.

    `clocks` are put right first, one entry for each trace; without them those that the traces
    were settled with.
    """
    compile_all()
    chosen = options or PathOptions()
    if clocks is None:
        texts = [state.clocks for state in whole.traces]
        clocks = [NO_CLOCKS] * len(texts)
        if any(texts):  # hardly ever, and there may be a hundred thousand
            clocks = [clocks_of_text(text) or NO_CLOCKS for text in texts]
    batch, applied = with_right_clocks(span_batch(whole), clocks)
    forest = build_forest(
        batch.offsets, batch.span_ids, batch.parent_ids, batch.starts, batch.ends, batch.kinds,
        batch.odd, chosen,
    )  # fmt: skip
    eps_ns = min(chosen.eps_ns, 1 << 62)
    walks = walk_all(
        forest, batch.offsets, batch.services, batch.names, batch.kinds, batch.statuses,
        batch.peers, batch.is_resent, eps_ns,
    )  # fmt: skip
    segments = label_all(
        forest, walks, batch.services, batch.kinds, batch.peers, len(batch.service_names),
        _pauses(batch, forest, walks), eps_ns,
    )  # fmt: skip
    return BatchPaths(
        batch, forest, walks, segments, _chains(batch, walks), np.flatnonzero(forest.odd), clocks,
        applied,
    )  # fmt: skip


def _chains(batch: SpanBatch, walks: Walks) -> npt.NDArray[np.uint64]:
    """The ids of all call paths; a path comes after the one that it extends."""
    services, names = batch.service_names, batch.span_names
    chains: list[bytes] = []
    for above, service, name in walks.nodes.tolist():
        chain = chains[above] if above >= 0 else ROOT_CHAIN
        chains.append(extended(chain, services[service], names[name]))
    return np.array([int.from_bytes(chain, "big") for chain in chains], np.uint64)


def _pauses(batch: SpanBatch, forest: Forest, walks: Walks) -> dict[int, list[tuple[int, int]]]:
    """The merged gaps between attempts at the same call, by the span that makes them."""
    attribute = attributes_of_table(batch.whole)
    found: dict[int, list[tuple[int, int]]] = {}
    for owner in walks.retrying.tolist():
        children = forest.children[forest.first_child[owner] : forest.first_child[owner + 1]]
        siblings = children[forest.is_detached[children] == 0]
        low, high = forest.low[siblings].tolist(), forest.high[siblings].tolist()
        alone = _siblings_alone(batch, siblings, attribute)
        gaps = merged_gaps(
            (high[one], low[following])
            for one, following in retries(alone, range(len(alone)), low, high)
        )
        if gaps:
            found[owner] = gaps
    return found


def _siblings_alone(batch: SpanBatch, places: Ints, attribute: AttributeLookup) -> PathSpans:
    """Some spans of a batch as `retries` reads them."""
    count = places.size
    return PathSpans(
        trace_id=0,
        span_ids=batch.span_ids[places].tolist(),
        parent_ids=batch.parent_ids[places].tolist(),
        starts=batch.starts[places].tolist(),
        ends=batch.ends[places].tolist(),
        names=[batch.span_names[code] for code in batch.names[places].tolist()],
        services=[batch.service_names[code] for code in batch.services[places].tolist()],
        kinds=batch.kinds[places].tolist(),
        status_codes=batch.statuses[places].tolist(),
        status_messages=[""] * count,
        rows=batch.rows[places].tolist(),
        attribute=attribute,
    )
