"""What storage promises a page that searches: traces in an order, values to choose from, paths.

Everything here is bounded, so that a page stays quick whatever is stored; where a bound was
reached, the answer says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import pyarrow as pa

from longpole.model import columns
from longpole.model.query import Field, TraceQuery
from longpole.model.timerange import TimeRange

# Spans that start so long before their root by a wrong clock are still looked at.
CLOCK_SLACK_NS = 60 * 10**9
MOST_UNSETTLED = 1_000
MOST_SPAN_ROWS = 300_000


class TraceOrder(StrEnum):
    """What comes first; of equals the newest, then the lowest trace id."""

    NEWEST = "newest"
    SLOWEST = "slowest"
    ERRORS = "errors"
    SPANS = "spans"


ORDER_COLUMNS = {
    TraceOrder.NEWEST: "start_unix_nano",
    TraceOrder.SLOWEST: "duration_ns",
    TraceOrder.ERRORS: "error_count",
    TraceOrder.SPANS: "span_count",
}


@dataclass(frozen=True, slots=True)
class SearchedTraces:
    """Matching traces in the order asked for, in the columns of `FoundTraces`.

    `is_truncated`: more match than the limit let through. `looked_at`: only so many traces, the
    first ones of that order, were looked at; None: all of them were.
    """

    traces: pa.Table
    is_truncated: bool = False
    looked_at: int | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SpanKey:
    """What a span has a value of: its service, name, kind or status, or an attribute `key` of
    its own, else of its resource (`Field.ANY_ATTRIBUTE`)."""

    field: Field
    key: str = ""


VALUE_FIELDS = (Field.SERVICE, Field.NAME, Field.KIND, Field.STATUS, Field.ANY_ATTRIBUTE)
# Of `SpanValues`: `place` is that of the key among those asked for, `kind` is text, number or
# bool, `value` is as text whatever it is.
SPAN_VALUES = pa.schema(
    [
        pa.field("place", pa.int64()),
        pa.field("kind", pa.string()),
        pa.field("value", pa.string()),
        pa.field("trace_count", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True)
class SpanValues:
    """Values in the columns `SPAN_VALUES`, by place, then most traces first, then by value.
    `is_cut`: only some of the spans were looked at, so that counts are lower bounds."""

    values: pa.Table
    is_cut: bool = False


RIBBON_COLUMNS = (
    "trace_hi", "trace_lo", "span_id", "service", "operation", "label", "start_unix_nano",
    "end_unix_nano",
)  # fmt: skip


ROOT_RUNS = pa.schema(
    [
        columns.TRACES.field(name)
        for name in ("trace_hi", "trace_lo", "start_unix_nano", "duration_ns", "headless")
    ]
)


class TraceSearcher(Protocol):
    """Finds what a page shows at once."""

    def search_traces(
        self,
        query: TraceQuery,
        order: TraceOrder,
        roots: TimeRange,
        most: int = 20_000,
        enough: int = 500,
        with_unsettled: bool = True,
    ) -> SearchedTraces:
        """Traces that match as in `find_traces` and whose root starts in `roots`, in that order,
        `query.limit` of them at most.

        With conditions on spans, the first `most` traces of that order are looked at; only when
        fewer than `enough` of them match are all others looked at too. Of the traces that are not
        settled, the newest `MOST_UNSETTLED` may come in, a notice says when there are more; without
        `with_unsettled` none does, which saves most of the time while much comes in. Raises as
        `find_traces` does.
        """
        ...

    def span_values(
        self, query: TraceQuery, trace_ids: Sequence[int], keys: Sequence[SpanKey], most: int
    ) -> SpanValues:
        """In how many of these traces a span that meets every span condition and starts in
        `query.time` has which value: the `most` most common values of each key. ValueError for a
        field that is not in `VALUE_FIELDS`. Raises as `find_traces` does."""
        ...

    def path_segments(self, trace_ids: Sequence[int], most: int) -> pa.Table:
        """The critical paths of these traces at their latest revision, the `most` longest segments
        of each, by trace and start, in the columns `RIBBON_COLUMNS`. No rows for a trace that is
        unknown or has never been settled."""
        ...

    def root_runs(self, service: str, operation: str, roots: TimeRange, most: int) -> pa.Table:
        """The newest `most` settled traces with that root operation whose root starts in `roots`,
        in the columns `ROOT_RUNS`, newest first: what `search_traces` finds without those that are
        not settled, but cheap enough to be asked with every trace that is shown."""
        ...
