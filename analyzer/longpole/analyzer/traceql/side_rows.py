"""Events and links of the spans of a frame: whose they are, and what they say of themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from longpole.analyzer.traceql import columns
from longpole.analyzer.traceql.columns import Column, Kind, Mask, Rows
from longpole.analyzer.traceql.frame import SpanFrame


@dataclass(frozen=True, slots=True, eq=False)
class SideRows:
    """`owners` is the row of the span of each event or link."""

    owners: Rows

    @classmethod
    def of(cls, table: pa.Table, frame: SpanFrame) -> SideRows:
        """Events or links of the spans of a frame, each of which is there."""
        wanted = table.column("row_id").to_numpy()
        order = np.argsort(frame.row_ids)
        places = np.searchsorted(frame.row_ids, wanted, sorter=order)
        return cls(order[places].astype(np.int64))

    def any(self, mask: Mask, spans: int) -> Mask:
        """Spans of which any event or link is in the mask."""
        found = np.zeros(spans, np.bool_)
        found[self.owners[mask]] = True
        return found

    def first(self, column: Column, spans: int) -> Column:
        """The first value that is there, by span."""
        rows = np.full(spans, -1, np.int64)
        there = np.flatnonzero(column.kinds != Kind.NIL)[::-1]
        rows[self.owners[there]] = there
        return column.take(rows)

    def intrinsic(self, table: pa.Table, name: str, frame: SpanFrame) -> Column:
        """`event:name`, `event:timeSinceStart`, `link:traceID` or `link:spanID`."""
        match name:
            case "event:name":
                return columns.texts(table.column("name"))
            case "event:timeSinceStart":
                times = table.column("time_unix_nano").to_numpy()
                return columns.whole(Kind.DURATION, times - frame.start_ns[self.owners])
            case "link:spanID":
                ids = table.column("linked_span_id").to_pylist()
                return columns.texts(pa.array([f"{one:016x}" for one in ids], pa.string()))
        hi, lo = (table.column(f"linked_trace_{half}").to_pylist() for half in ("hi", "lo"))
        ids = [f"{high:016x}{low:016x}" for high, low in zip(hi, lo, strict=True)]
        return columns.texts(pa.array(ids, pa.string()))
