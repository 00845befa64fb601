"""Log requests of a web shop: records of a trace each now and then, with bodies that repeat but
for a value."""

from __future__ import annotations

import numpy as np
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber

from longpole.cli.loadgen.placeholders import Kind, Placeholders
from longpole.cli.loadgen.request import MadeRequest, Times
from longpole.cli.loadgen.words import SERVICES, attributes, resource

_MS = 1_000_000
_PER_TRACE = 4
_LINES = (
    (SeverityNumber.SEVERITY_NUMBER_INFO, "INFO", "order {} was accepted"),
    (SeverityNumber.SEVERITY_NUMBER_INFO, "INFO", "GET /api/products answered for session {}"),
    (SeverityNumber.SEVERITY_NUMBER_DEBUG, "DEBUG", "cache miss for key {}"),
    (SeverityNumber.SEVERITY_NUMBER_WARN, "WARN", "payment {} is slow, waiting on"),
    (SeverityNumber.SEVERITY_NUMBER_ERROR, "ERROR", "charge {} was declined by the bank"),
)
_WEIGHTS = (0.5, 0.3, 0.12, 0.05, 0.03)


def made_logs(prefix: str, count: int, attribute_count: int, seed: int) -> MadeRequest:
    """A request of exactly so many log records."""
    random = np.random.default_rng(seed)
    made = Placeholders(seed)
    times = Times()
    request = ExportLogsServiceRequest()
    done = 0
    while done < count:
        service = int(random.integers(len(SERVICES)))
        group = request.resource_logs.add()
        group.resource.CopyFrom(resource(prefix, SERVICES[service][0], seed % 4))
        scoped = group.scope_logs.add()
        scoped.scope.name = "shop.logging"
        for _ in range(min(count - done, max(1, count // len(SERVICES)))):
            if done % _PER_TRACE == 0:
                trace_id = made.trace()
                times.next_trace()
            scoped.log_records.append(_record(random, trace_id, made, times))
            scoped.log_records[-1].attributes.extend(attributes(seed + done, attribute_count, made))
            done += 1
    times.next_trace()
    return MadeRequest(request, made, times, count)


def _record(
    random: np.random.Generator, trace_id: bytes, made: Placeholders, times: Times
) -> LogRecord:
    number, text, body = _LINES[int(random.choice(len(_LINES), p=_WEIGHTS))]
    offset = int(random.integers(0, 200)) * _MS
    times.at(Kind.START, offset)
    times.at(Kind.END, offset + _MS)
    record = LogRecord(
        time_unix_nano=made.time(Kind.START),
        observed_time_unix_nano=made.time(Kind.END),
        severity_number=number,
        severity_text=text,
        trace_id=trace_id,
        span_id=made.span(),
        flags=1,
    )
    record.body.string_value = body.format(made.token())
    return record
