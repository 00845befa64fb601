"""Derived rows of a batch: its paths as the tables of `derived_rows`, without a loop over spans.

Traces that are odd come from the plain implementation, one table each, and are put between the
others at their place, so that the rows of a batch stand in the order of its traces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longpole.analyzer.clock_shift import clocks_text
from longpole.analyzer.columnar.grouping import SpanGroups, group_all
from longpole.analyzer.columnar.labelling import LABELS
from longpole.analyzer.columnar.paths import BatchPaths
from longpole.model import columns
from longpole.model.ids import split_trace_id
from longpole.model.span import StatusCode

Ints = npt.NDArray[np.int64]
Tables = Mapping[str, pa.Table]

COLUMNAR_TABLES = ("traces", "path_segments", "red")
_ERROR = int(StatusCode.ERROR)


def derived_tables(
    paths: BatchPaths, verdicts: Sequence[str], odd: Mapping[int, Tables]
) -> dict[str, pa.Table]:
    """The tables of `COLUMNAR_TABLES`, row for row as `DerivedColumns` makes them.

    `verdicts` has the verdict line of every trace, in order. `odd` has the tables of each trace
    that `paths.odd` names, by its place, as the plain implementation made them; a place that is
    missing there has no rows.
    """
    batch = paths.batch
    groups = group_all(
        batch.offsets, paths.forest.odd, batch.starts, batch.ends, batch.services,
        len(batch.service_names), batch.names, batch.kinds, batch.statuses,
        paths.segments.critical_ns,
    )  # fmt: skip
    keys = _Keys(paths)
    whole = {
        "traces": _traces(paths, keys, groups, verdicts),
        "path_segments": _path_segments(paths, keys),
        "red": _red(paths, keys, groups),
    }
    return {
        name: _with_odd(table, places, columns.DERIVED_TABLES[name], name, odd)
        for name, (table, places) in whole.items()
    }


class _Keys:
    """What the rows of one trace have in common, as one array each with an entry per trace."""

    def __init__(self, paths: BatchPaths) -> None:
        batch, states = paths.batch, paths.batch.whole.traces
        self.hi, self.lo = _trace_ids(paths)
        self.revision = np.array([state.revision for state in states], np.uint32)
        self.services = pa.array(batch.service_names, pa.string())
        self.names = pa.array(batch.span_names, pa.string())
        self.root = paths.forest.primary
        has_root = self.root >= 0
        self.root_services = _texts(batch.services, self.services, self.root, has_root)
        self.root_names = _texts(batch.names, self.names, self.root, has_root)

    def of(self, places: Ints) -> dict[str, pa.Array]:
        """The key columns of rows that belong to the traces at these places."""
        return {
            "trace_hi": pa.array(self.hi[places]),
            "trace_lo": pa.array(self.lo[places]),
            "revision": pa.array(self.revision[places]),
        }

    def roots_of(self, places: Ints) -> dict[str, pa.Array]:
        """The root's names in such rows."""
        taken = pa.array(places)
        return {
            "root_service": self.root_services.take(taken),
            "root_operation": self.root_names.take(taken),
        }


def _trace_ids(paths: BatchPaths) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """The halves of the ids of all traces."""
    batch = paths.batch
    begins = batch.offsets[:-1]
    if (begins < batch.offsets[1:]).all():
        hi, lo = (batch.whole.spans.column(name).to_numpy() for name in ("trace_hi", "trace_lo"))
        return hi[begins], lo[begins]
    # A trace without spans is in no column.
    ids = [split_trace_id(state.trace_id) for state in batch.whole.traces]
    return np.array([hi for hi, _ in ids], np.uint64), np.array([lo for _, lo in ids], np.uint64)


def _texts(
    codes: npt.NDArray[np.int32], texts: pa.Array, spans: Ints, is_there: npt.NDArray[np.bool_]
) -> pa.Array:
    """The text of each of these spans, "" where there is no span."""
    if not codes.size:
        return pa.array([""] * spans.size, pa.string())
    wanted = pa.array(np.where(is_there, codes[spans], 0), mask=~is_there)
    return texts.take(wanted).fill_null("")


def _traces(
    paths: BatchPaths, keys: _Keys, groups: SpanGroups, verdicts: Sequence[str]
) -> tuple[pa.Table, Ints]:
    batch, forest, states = paths.batch, paths.forest, paths.batch.whole.traces
    places = np.flatnonzero(forest.odd == 0)
    root = keys.root[places]
    has_root = root >= 0

    def of_root(values: npt.NDArray[np.int64] | npt.NDArray[np.uint64]) -> pa.Array:
        if not values.size:
            return pa.array(np.zeros(root.size, values.dtype))
        return pa.array(np.where(has_root, values[root], values.dtype.type(0)))

    late = np.array([state.late for state in states], np.int64)
    told = pa.array(verdicts, pa.string())
    # The traces of one time share their clocks, so few are asked.
    own = list(map(id, paths.applied))
    distinct = dict(zip(own, paths.applied, strict=True))
    shifts = {one: len(clocks.shifts) for one, clocks in distinct.items()}
    clock_texts = {one: clocks_text(clocks) for one, clocks in distinct.items()}
    taken = pa.array(places)
    rows = {
        **keys.of(places),
        "root_span_id": of_root(batch.span_ids),
        **keys.roots_of(places),
        "start_unix_nano": of_root(batch.starts),
        "duration_ns": of_root(batch.ends - batch.starts),
        "span_count": pa.array(np.diff(batch.offsets)[places]),
        "error_count": pa.array(groups.errors[places]),
        "service_count": pa.array(groups.services[places]),
        "orphans": pa.array(forest.orphans[places]),
        "headless": pa.array(forest.is_headless[places] > 0),
        "late": pa.array(late[places]),
        "skew_shifts": pa.array([shifts[one] for one in own], pa.int64()).take(taken),
        "detached": pa.array(forest.detached[places]),
        "ambiguous_ns": pa.array(paths.segments.ambiguous_ns[places]),
        "verdict": told.take(taken),
        "clocks": pa.array([clock_texts[one] for one in own], pa.string()).take(taken),
    }
    return _table(rows, columns.TRACES), places


def _path_segments(paths: BatchPaths, keys: _Keys) -> tuple[pa.Table, Ints]:
    batch, segments = paths.batch, paths.segments
    owners = segments.owners
    places = np.repeat(np.arange(segments.offsets.size - 1), np.diff(segments.offsets))
    peers = pa.array([*batch.service_names, *batch.peer_names], pa.string())
    rows = {
        **keys.of(places),
        **keys.roots_of(places),
        "span_id": pa.array(batch.span_ids[owners]),
        "service": keys.services.take(pa.array(batch.services[owners])),
        "operation": keys.names.take(pa.array(batch.names[owners])),
        "peer_service": peers.take(pa.array(segments.peers, mask=segments.peers < 0)),
        "call_path_id": pa.array(paths.chains[paths.walks.node[owners]]),
        "label": _LABEL_TEXTS.take(pa.array(segments.labels)),
        "start_unix_nano": pa.array(segments.starts),
        "end_unix_nano": pa.array(segments.ends),
    }
    return _table(rows, columns.PATH_SEGMENTS), places


_LABEL_TEXTS = pa.array([str(label) for label in LABELS], pa.string())


def _red(paths: BatchPaths, keys: _Keys, groups: SpanGroups) -> tuple[pa.Table, Ints]:
    batch, first = paths.batch, groups.first
    places = np.repeat(np.arange(groups.offsets.size - 1), np.diff(groups.offsets))
    statuses = batch.statuses[first]
    ends = batch.ends[first]
    width = groups.buckets.shape[1]
    list_offsets = np.arange(0, width * first.size + 1, width, dtype=np.int32)
    rows = {
        **keys.of(places),
        "step_unix_nano": pa.array(ends - ends % columns.RED_STEP_NS),
        "service": keys.services.take(pa.array(batch.services[first])),
        "operation": keys.names.take(pa.array(batch.names[first])),
        "kind": pa.array(batch.kinds[first]),
        "status_code": pa.array(statuses),
        "count": pa.array(groups.counts),
        "errors": pa.array(np.where(statuses == _ERROR, groups.counts, 0)),
        "duration_sum_ns": pa.array(groups.duration_ns),
        "bucket_counts": pa.ListArray.from_arrays(
            pa.array(list_offsets), pa.array(groups.buckets.reshape(-1))
        ),
        "critical_ns": pa.array(groups.critical_ns),
    }
    return _table(rows, columns.RED), places


def _table(rows: dict[str, pa.Array], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_arrays([rows[field.name] for field in schema], schema=schema)


def _with_odd(
    table: pa.Table, places: Ints, schema: pa.Schema, name: str, odd: Mapping[int, Tables]
) -> pa.Table:
    """The rows of odd traces between those of the others, by the places of the traces."""
    if not odd:
        return table
    parts = [table.cast(schema)]
    at = [places]
    for place, tables in sorted(odd.items()):
        parts.append(tables[name])
        at.append(np.full(tables[name].num_rows, place, np.int64))
    order = np.argsort(np.concatenate(at), kind="stable")
    return pa.concat_tables(parts).take(pa.array(order)).combine_chunks()
