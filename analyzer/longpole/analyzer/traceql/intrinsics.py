"""What a span has without attributes, from the columns of a frame alone."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow as pa

from longpole.analyzer.traceql import columns
from longpole.analyzer.traceql.columns import Column, Ints, Kind, Rows
from longpole.analyzer.traceql.frame import SpanFrame
from longpole.analyzer.traceql.structure import Structure, structure_of


class IntrinsicValues:
    """Intrinsics over one frame; what they rest on is worked out once."""

    def __init__(self, frame: SpanFrame) -> None:
        self._frame = frame

    def column(self, name: str) -> Column:
        """The value of each span; `name` as in `fields.INTRINSIC_TYPES`."""
        frame = self._frame
        match name:
            case "duration":
                return columns.whole(Kind.DURATION, frame.duration_ns)
            case "name":
                return frame.names
            case "status":
                return columns.whole(Kind.STATUS, frame.statuses)
            case "statusMessage":
                return frame.messages
            case "kind":
                return columns.whole(Kind.SPAN_KIND, frame.kinds)
            case "childCount":
                return columns.whole(Kind.INT, self.structure.child_counts())
            case "parent":
                # Only ever compared with nil.
                found = columns.whole(Kind.INT, frame.parent_ids.astype(np.int64))
                found.kinds[frame.parent_ids == 0] = Kind.NIL
                return found
            case "rootName":
                return frame.names.take(self.roots[frame.trace_of])
            case "rootServiceName":
                return frame.services.take(self.roots[frame.trace_of])
            case "traceDuration":
                return columns.whole(Kind.DURATION, self.trace_durations[frame.trace_of])
            case "nestedSetLeft":
                return columns.whole(Kind.INT, self._nested[0])
            case "nestedSetRight":
                return columns.whole(Kind.INT, self._nested[1])
            case "nestedSetParent":
                return columns.whole(Kind.INT, self._nested[2])
            case "trace:id":
                ids = pa.array([f"{one:032x}" for one in frame.trace_ids], pa.string())
                return columns.texts(ids).take(frame.trace_of)
            case "span:id":
                return _hex_column(frame.span_ids.tolist())
            case "span:parentID":
                return _hex_column(frame.parent_ids.tolist())
        raise AssertionError(name)

    @cached_property
    def structure(self) -> Structure:
        """How the spans hang together."""
        frame = self._frame
        return structure_of(frame.trace_of, frame.span_ids, frame.parent_ids)

    @cached_property
    def roots(self) -> Rows:
        """The row that stands for each trace: the longest span without a parent, else the longest
        one; of equally long ones the earliest, then the lowest id."""
        frame = self._frame
        order = np.lexsort(
            (
                frame.span_ids,
                frame.start_ns,
                -frame.duration_ns,
                frame.parent_ids != 0,
                frame.trace_of,
            )
        )
        return np.asarray(order[frame.starts[:-1]], np.int64)

    @cached_property
    def trace_starts(self) -> Ints:
        """When the first span of each trace starts."""
        return _by_trace(np.minimum, self._frame.start_ns, self._frame.starts)

    @cached_property
    def trace_durations(self) -> Ints:
        """From the first start to the last end of each trace, in nanoseconds."""
        ends = self._frame.start_ns + self._frame.duration_ns
        return _by_trace(np.maximum, ends, self._frame.starts) - self.trace_starts

    @cached_property
    def _nested(self) -> tuple[Ints, Ints, Ints]:
        return self.structure.nested_sets(self._frame.trace_of, self._frame.start_ns)


def _by_trace(reduce: np.ufunc, values: Ints, starts: Rows) -> Ints:
    if len(starts) < 2:
        return np.zeros(0, np.int64)
    return np.asarray(reduce.reduceat(values, starts[:-1]), np.int64)


def _hex_column(ids: list[int]) -> Column:
    return columns.texts(pa.array([f"{one:016x}" if one else None for one in ids], pa.string()))
