"""Log requests to tables by the compiled loops: what the reference decoder gives, or nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from longpole.formats import any_value
from longpole.formats.compiled import layout, plans
from longpole.formats.compiled.list_columns import (
    BadText,
    attribute_arrays,
    ids,
    table_of,
    text_array,
    value_text,
)
from longpole.formats.compiled.owners import Owners, owners_of
from longpole.formats.compiled.scanning import Scanned, scanned
from longpole.formats.compiled.wire_loops import Ints, Rows
from longpole.model import columns


def tables_of_logs(body: bytes) -> tuple[dict[str, pa.Table], bool] | None:
    """The tables of the request and whether any record has a time, as the reference decoder gives
    them; None for a request that only the reference can judge."""
    request = scanned(body, plans.LOGS)
    if request is None:
        return None
    records = request.kind(layout.RECORD)
    of_scope = request.parents(records, layout.SCOPE, layout.SCOPE)
    owners = owners_of(request, of_scope)
    if owners is None:
        return None
    try:
        table = _log_table(request, records, owners, of_scope)
    except BadText:
        return None
    tables = {"logs": table, "resources": owners.resources, "scopes": owners.scopes}
    has_time = bool(records[:, layout.LOG_TIME].any() or records[:, layout.LOG_OBSERVED].any())
    return tables, has_time


def _log_table(request: Scanned, records: Rows, owners: Owners, scope: Ints) -> pa.Table:
    has_body = records[:, layout.LOG_BODY_END] != 0
    is_text = records[:, layout.LOG_BODY_TYPE] == layout.TEXT
    values: dict[str, Any] = {
        "row_id": np.arange(len(records), dtype=np.uint64),
        "time_unix_nano": records[:, layout.LOG_TIME].copy(),
        "observed_time_unix_nano": records[:, layout.LOG_OBSERVED].copy(),
        "trace_hi": ids(records, layout.LOG_TRACE_HI),
        "trace_lo": ids(records, layout.LOG_TRACE_LO),
        "span_id": ids(records, layout.LOG_SPAN),
        "severity_number": records[:, layout.LOG_SEVERITY].astype(np.int32),
        "severity_text": text_array(request, records, layout.LOG_SEVERITY_TEXT),
        "body": _bodies(request, records, has_body, is_text),
        "body_is_text": pa.array(is_text, mask=~has_body),
        "event_name": text_array(request, records, layout.LOG_EVENT_NAME),
        "flags": records[:, layout.LOG_FLAGS].astype(np.uint32),
        "service_name": owners.services.take(pa.array(owners.service_places[scope])),
        "resource_id": owners.resource_ids[scope],
        "scope_id": owners.scope_ids[scope],
        "dropped_attributes_count": records[:, layout.LOG_DROPPED].astype(np.uint32),
    }
    return table_of(columns.LOGS, values, attribute_arrays(request, records))


def _bodies(request: Scanned, records: Rows, has_body: Ints, is_text: Ints) -> pa.Array:
    if (has_body & is_text).all():
        return text_array(request, records, layout.LOG_BODY)
    # An absent body is an empty text so far.
    texts = text_array(request, records[is_text], layout.LOG_BODY).to_pylist()
    places = iter(texts)
    bodies: list[str | None] = []
    for row, (is_there, is_plain) in enumerate(
        zip(has_body.tolist(), is_text.tolist(), strict=True)
    ):
        if is_plain:
            text = next(places)
            bodies.append(text if is_there else None)
        else:
            bodies.append(_body_text(request.body, records[row]))
    return pa.array(bodies, pa.string())


def _body_text(body: bytes, record: Ints) -> str:
    kind, value, end = record[layout.LOG_BODY_TYPE : layout.LOG_BODY_END + 1].tolist()
    if kind == layout.OTHER:
        return value_text(body, value, end)
    if kind == layout.NUMBER:
        return any_value.text_of(AnyValue(int_value=value))
    if kind == layout.TRUTH:
        return any_value.text_of(AnyValue(bool_value=bool(value)))
    number = float(np.int64(value).view(np.float64))
    return any_value.text_of(AnyValue(double_value=number))
