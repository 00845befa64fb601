"""Marks: events, exceptions, logs and links, by the span that they hang on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longpole.analyzer.explain import Explanation
from longpole.model.log import LogRecord
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


def marks_of(
    explanation: Explanation, whole: WholeTraces, events: pa.Table, logs: Sequence[LogRecord]
) -> Marks:
    """The marks of a trace that was explained from `whole`, which has no other one; `events` are
    those of `TraceParts.events_of_trace`, `logs` count when they name one of its spans."""
    index_of = np.full(whole.spans.num_rows, -1, np.int64)
    index_of[np.array(explanation.spans.rows, np.int64)] = np.arange(len(explanation.spans))
    row_ids = whole.spans.column("row_id").to_numpy()
    of_event = _indices(index_of, row_ids, events.column("row_id").to_numpy())
    is_known = of_event >= 0
    named = pc.equal(events.column("name"), EXCEPTION_EVENT).to_numpy(zero_copy_only=False)
    is_exception = named.astype(np.bool_)[is_known]
    of_log, log_times, severities = _of_logs(explanation, logs)
    linked = _indices(index_of, row_ids, whole.links.column("row_id").to_numpy())
    return Marks(
        spans=np.concatenate((of_event[is_known], of_log)),
        times=np.concatenate((events.column("time_unix_nano").to_numpy()[is_known], log_times)),
        kinds=np.concatenate(
            (np.where(is_exception, EXCEPTION, EVENT), np.full(of_log.size, LOG, np.int64))
        ),
        severities=np.concatenate((np.where(is_exception, ERROR_SEVERITY, 0), severities)),
        linked=linked[linked >= 0],
    )


def _indices(index_of: Ints, row_ids: Ids, wanted: Ids) -> Ints:
    """The span of each row id; -1 for copies, which were left out. `row_ids` ascend."""
    if not row_ids.size:
        return np.full(wanted.size, -1, np.int64)
    places = np.minimum(np.searchsorted(row_ids, wanted), row_ids.size - 1)
    return np.where(row_ids[places] == wanted, index_of[places], -1)


def _of_logs(e: Explanation, logs: Sequence[LogRecord]) -> tuple[Ints, Ints, Ints]:
    """Spans, times and severities of the records that name a span; of several spans with one id
    the first."""
    named = {record.span_id for record in logs if record.span_id}
    first: dict[int, int] = {}
    if named:
        for index, span_id in enumerate(e.spans.span_ids):
            if span_id in named:
                first.setdefault(span_id, index)
    found = [record for record in logs if record.span_id in first]
    columns = (
        [first[record.span_id] for record in found],
        [record.time_unix_nano or record.observed_time_unix_nano for record in found],
        [min(max(record.severity_number, 0), 255) for record in found],
    )
    spans, times, severities = (np.array(column, np.int64) for column in columns)
    return spans, times, severities
