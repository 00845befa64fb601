"""Marks: events, exceptions and links, by the span that they hang on; logs come in `log_marks`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longpole.analyzer.explain import Explanation
from longpole.storage.ports import WholeTraces

Ints = npt.NDArray[np.int64]
Ids = npt.NDArray[np.uint64]

EVENT, EXCEPTION, LOG = 0, 1, 2
ERROR_SEVERITY = 17  # OTLP's number for ERROR
EXCEPTION_EVENT = "exception"


@dataclass(frozen=True, slots=True)
class Marks:
    """Indices of spans and Unix nanoseconds as the span's own clock had them, kinds and OTLP's
    severity numbers, one entry for each mark. `linked` has the index of a span once for each of
    its links."""

    spans: Ints
    times: Ints
    kinds: Ints
    severities: Ints
    linked: Ints


def marks_of(explanation: Explanation, whole: WholeTraces, events: pa.Table) -> Marks:
    """The marks of a trace that was explained from `whole`, which has no other one; `events` are
    those of `TraceParts.events_of_trace`."""
    index_of = np.full(whole.spans.num_rows, -1, np.int64)
    index_of[np.array(explanation.spans.rows, np.int64)] = np.arange(len(explanation.spans))
    row_ids = whole.spans.column("row_id").to_numpy()
    of_event = _indices(index_of, row_ids, events.column("row_id").to_numpy())
    is_known = of_event >= 0
    named = pc.equal(events.column("name"), EXCEPTION_EVENT).to_numpy(zero_copy_only=False)
    is_exception = named.astype(np.bool_)[is_known]
    linked = _indices(index_of, row_ids, whole.links.column("row_id").to_numpy())
    return Marks(
        spans=of_event[is_known],
        times=events.column("time_unix_nano").to_numpy()[is_known],
        kinds=np.where(is_exception, EXCEPTION, EVENT),
        severities=np.where(is_exception, ERROR_SEVERITY, 0),
        linked=linked[linked >= 0],
    )


def _indices(index_of: Ints, row_ids: Ids, wanted: Ids) -> Ints:
    """The span of each row id; -1 for copies, which were left out. `row_ids` ascend."""
    if not row_ids.size:
        return np.full(wanted.size, -1, np.int64)
    places = np.minimum(np.searchsorted(row_ids, wanted), row_ids.size - 1)
    return np.where(row_ids[places] == wanted, index_of[places], -1)
