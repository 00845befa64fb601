"""Marks: events, exceptions, logs and links, by the row of the span that they hang on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from longpole.analyzer.explain import Explanation
from longpole.model.log import LogRecord
from longpole.model.span import Span

Ints = npt.NDArray[np.int64]

EVENT, EXCEPTION, LOG = 0, 1, 2
ERROR_SEVERITY = 17  # OTLP's number for ERROR
EXCEPTION_EVENT = "exception"


@dataclass(frozen=True, slots=True)
class Marks:
    """Indices of spans and Unix nanoseconds as the span's own clock had them; the lists of marks
    are parallel. `linked` has the index of a span once for each of its links."""

    spans: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    severities: list[int] = field(default_factory=list)
    linked: list[int] = field(default_factory=list)

    def add(self, index: int, time: int, kind: int, severity: int) -> None:
        """Add one mark."""
        self.spans.append(index)
        self.times.append(time)
        self.kinds.append(kind)
        self.severities.append(severity)


def marks_of(
    explanation: Explanation, sent: Iterable[tuple[int, Span]], logs: Sequence[LogRecord]
) -> Marks:
    """The marks of the spans as `sent`, by index, and of the log records that name one of the
    trace's spans."""
    e, marks = explanation, Marks()
    for index, span in sent:
        for event in span.events:
            is_exception = event.name == EXCEPTION_EVENT
            marks.add(
                index,
                event.time_unix_nano,
                EXCEPTION if is_exception else EVENT,
                ERROR_SEVERITY if is_exception else 0,
            )
        marks.linked.extend([index] * len(span.links))
    add_logs(marks, e, logs)
    return marks


def add_logs(marks: Marks, e: Explanation, logs: Sequence[LogRecord]) -> None:
    """Add the log records that name a span of the trace; of several with one id the first."""
    named = {record.span_id for record in logs if record.span_id}
    if not named:
        return
    first: dict[int, int] = {}
    for index, span_id in enumerate(e.spans.span_ids):
        if span_id in named:
            first.setdefault(span_id, index)
    for record in logs:
        found = first.get(record.span_id)
        if found is not None:
            time = record.time_unix_nano or record.observed_time_unix_nano
            marks.add(found, time, LOG, min(max(record.severity_number, 0), 255))
