"""Clock skew: the fault by which one process's spans and logs bear the times of a wrong clock.

The shift is chosen when a span ends or a record is emitted, not when it is exported, so that the
fault begins and ends with its label. The clock itself stays right: what waits and expires does so
in true time, only the telemetry lies, as seen from other hosts.
"""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from shop.chassis.ports import Faults
from shop.chassis.span_manners import copy_of
from shop.faults.catalogue import CATALOGUE

FAULT = "inventory-clock-skew"


class ClockSkew:
    """How far the clock of this process is ahead; it is right until `follow` says who knows."""

    def __init__(self) -> None:
        self._read: Callable[[], int] = lambda: 0
        self._acted: Callable[[int], None] = lambda trace_id: None

    def follow(self, read: Callable[[], int], acted: Callable[[int], None]) -> None:
        """From now on ask `read` for the nanoseconds, and tell `acted` the trace of each request to
        the operation of the fault's label that was served by the wrong clock."""
        self._read, self._acted = read, acted

    def has_shifted(self, span: ReadableSpan) -> None:
        """This span bears wrong times now. In a trace where a right clock served the reservation
        and the wrong one something else, the label would name what is not wrong there."""
        context = span.get_span_context()
        if context is not None and span.name == CATALOGUE[FAULT].operation:
            self._acted(context.trace_id)

    def nanoseconds(self) -> int:
        """Nanoseconds ahead; 0 when the clock is right."""
        return self._read()


def skew_of(faults: Faults, service_name: str, instance_id: str) -> Callable[[], int]:
    """The skew that the fault asks of this instance: only the second one of inventory-service has
    a wrong clock, so that a trace shows right and wrong ones side by side."""
    if service_name != "inventory-service" or not instance_id.endswith("-2"):
        return lambda: 0

    def nanoseconds() -> int:
        parameters = faults.active(FAULT)
        return 0 if parameters is None else int(float(parameters["seconds"]) * 1e9)

    return nanoseconds


class SkewedSpans(SpanProcessor):
    """Hands spans on to `inner`, shifted by the skew."""

    def __init__(self, inner: SpanProcessor, skew: ClockSkew) -> None:
        self._inner = inner
        self._skew = skew

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing is shifted yet: the span may look at its own times."""
        self._inner.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """A shifted copy goes on; the span of the process stays as it is."""
        nanoseconds = self._skew.nanoseconds()
        if nanoseconds:
            span = copy_of(span, shift_nanoseconds=nanoseconds)
            self._skew.has_shifted(span)
        self._inner.on_end(span)

    def shutdown(self) -> None:
        """Sends what is left."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Sends what there is; False when the time was too short."""
        return self._inner.force_flush(timeout_millis)


class SkewedLogs(LogRecordProcessor):
    """Shifts log records; it stands before the processor that sends them."""

    def __init__(self, skew: ClockSkew) -> None:
        self._skew = skew

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Shifts both times of the record: the process that logged is the one that observed."""
        nanoseconds = self._skew.nanoseconds()
        if not nanoseconds:
            return
        record = log_record.log_record
        if record.timestamp is not None:
            record.timestamp += nanoseconds
        if record.observed_timestamp is not None:
            record.observed_timestamp += nanoseconds

    def shutdown(self) -> None:
        """Nothing is held here."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is held here."""
        return True
