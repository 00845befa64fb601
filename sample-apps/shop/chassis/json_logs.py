"""JSON logs: one line per record on stdout, with the ids of the span it was written in."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from opentelemetry import trace

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Keys `time` (RFC 3339, UTC), `level`, `logger`, `message`, `service`, `instance`, inside a
    span `trace_id` and `span_id` (hex), with an exception `exception`, and what `extra` said."""

    def __init__(self, service_name: str, instance_id: str) -> None:
        super().__init__()
        self._service = service_name
        self._instance = instance_id

    def format(self, record: logging.LogRecord) -> str:
        """One line without its end."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "service": self._service,
            "instance": self._instance,
        }
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            line["trace_id"] = trace.format_trace_id(context.trace_id)
            line["span_id"] = trace.format_span_id(context.span_id)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        line.update({key: value for key, value in vars(record).items() if key not in _PLAIN})
        return json.dumps(line, default=str, ensure_ascii=False)


def log_to_stdout(
    service_name: str, instance_id: str, level: str, stream: TextIO | None = None
) -> logging.Handler:
    """Send the root logger's records there; returns the handler, for taking it away again."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter(service_name, instance_id))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level)
    # One line per call of a neighbour says nothing that its span doesn't.
    for noisy in ("httpx", "httpcore", "uvicorn", "nats"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return handler
