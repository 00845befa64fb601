"""Log requests to the log table: the definition of what is kept of a record."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from longpole.formats import any_value
from longpole.formats.attributes import AttributeColumns, warn_strindex
from longpole.formats.columnar import build_table, signed, span_ids, trace_ids
from longpole.formats.envelope import Envelope
from longpole.formats.tally import Tally
from longpole.model import columns


class LogRows:
    """Log records of one request, column by column."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.envelope = Envelope(tally)
        self._core: dict[str, list[Any]] = {
            name: [] for name in columns.LOGS.names if name not in columns.ATTRIBUTE_COLUMNS
        }
        self._trace_ids: list[bytes] = []
        self._attributes = AttributeColumns()

    def read(self, request: ExportLogsServiceRequest) -> None:
        """Every record of the request; bad ids are taken out of the message."""
        for resource_logs in request.resource_logs:
            owner: tuple[int, str] | None = None
            for scope_logs in resource_logs.scope_logs:
                scope_id = 0
                for record in scope_logs.log_records:
                    if owner is None:
                        owner = self.envelope.resource(
                            resource_logs.resource, resource_logs.schema_url
                        )
                    if not scope_id:
                        scope_id = self.envelope.scope(scope_logs.scope, scope_logs.schema_url)
                    self._add(record, owner, scope_id)

    def _add(self, record: LogRecord, owner: tuple[int, str], scope_id: int) -> None:
        core = self._core
        if len(record.trace_id) not in (0, 16) or len(record.span_id) not in (0, 8):
            self.tally.warn(
                "invalid_log_id",
                "A log record names a trace or span id of wrong length; it is kept without "
                "that id.",
            )
            if len(record.trace_id) != 16:
                record.ClearField("trace_id")
            if len(record.span_id) != 8:
                record.ClearField("span_id")
        core["row_id"].append(len(self._trace_ids))
        self._trace_ids.append(record.trace_id)
        core["span_id"].append(record.span_id)
        core["time_unix_nano"].append(record.time_unix_nano)
        core["observed_time_unix_nano"].append(record.observed_time_unix_nano)
        core["severity_number"].append(record.severity_number)
        core["severity_text"].append(record.severity_text)
        body, is_text = self._body(record)
        core["body"].append(body)
        core["body_is_text"].append(is_text)
        core["event_name"].append(record.event_name)
        core["flags"].append(record.flags)
        core["service_name"].append(owner[1])
        core["resource_id"].append(owner[0])
        core["scope_id"].append(scope_id)
        core["dropped_attributes_count"].append(record.dropped_attributes_count)
        self._attributes.add(record.attributes, self.tally)

    def _body(self, record: LogRecord) -> tuple[str | None, bool | None]:
        if not record.HasField("body"):
            return None, None
        body = record.body
        kind = body.WhichOneof("value")
        if kind is None and body.ByteSize():
            body = any_value.unwrap(body) or body
            kind = body.WhichOneof("value")
        if kind == "string_value":
            return body.string_value, True
        if kind == "string_value_strindex":
            record.body.ClearField("string_value_strindex")
            warn_strindex(self.tally)
        return any_value.text_of(body), False

    @property
    def has_time(self) -> bool:
        """Whether any record carries a time or an observed time."""
        return any(self._core["time_unix_nano"]) or any(self._core["observed_time_unix_nano"])

    def tables(self) -> dict[str, pa.Table]:
        """All tables of the signal."""
        values: dict[str, Any] = dict(self._core)
        values["trace_hi"], values["trace_lo"] = trace_ids(self._trace_ids)
        values["span_id"] = span_ids(values["span_id"])
        for name in ("time_unix_nano", "observed_time_unix_nano"):
            values[name] = signed(values[name])
        return {
            "logs": build_table(columns.LOGS, values, self._attributes),
            **self.envelope.tables(),
        }
