"""Small OTLP/JSON texts that stand in columns: metric metadata and exemplars."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar

from longpole.formats import any_value


def attributes_text(pairs: Iterable[KeyValue]) -> str:
    """`[{"key":...,"value":{...}}]`, "" when there are none."""
    items = [
        f'{{"key":{any_value.json_string(pair.key)},"value":{any_value.text_of(pair.value)}}}'
        for pair in pairs
    ]
    return f"[{','.join(items)}]" if items else ""


def attributes_of_text(text: str) -> list[KeyValue]:
    """The inverse of `attributes_text`."""
    return _pairs(orjson.loads(text)) if text else []


def _pairs(items: Iterable[dict[str, Any]]) -> list[KeyValue]:
    return [KeyValue(key=item["key"], value=any_value.of_tree(item["value"])) for item in items]


def exemplars_text(exemplars: Iterable[Exemplar]) -> str:
    """An OTLP/JSON array of exemplars, "" when there are none."""
    items = [_exemplar_text(exemplar) for exemplar in exemplars]
    return f"[{','.join(items)}]" if items else ""


def _exemplar_text(exemplar: Exemplar) -> str:
    parts = []
    if exemplar.filtered_attributes:
        parts.append(f'"filteredAttributes":{attributes_text(exemplar.filtered_attributes)}')
    parts.append(f'"timeUnixNano":"{exemplar.time_unix_nano}"')
    which = exemplar.WhichOneof("value")
    if which == "as_int":
        parts.append(f'"asInt":"{exemplar.as_int}"')
    elif which == "as_double":
        parts.append(f'"asDouble":{any_value.json_double(exemplar.as_double)}')
    if exemplar.span_id:
        parts.append(f'"spanId":"{exemplar.span_id.hex()}"')
    if exemplar.trace_id:
        parts.append(f'"traceId":"{exemplar.trace_id.hex()}"')
    return f"{{{','.join(parts)}}}"


def exemplars_of_text(text: str) -> list[Exemplar]:
    """The inverse of `exemplars_text`."""
    found = []
    for item in orjson.loads(text):
        exemplar = Exemplar(time_unix_nano=int(item["timeUnixNano"]))
        exemplar.filtered_attributes.extend(_pairs(item.get("filteredAttributes", ())))
        if "asInt" in item:
            exemplar.as_int = int(item["asInt"])
        elif "asDouble" in item:
            exemplar.as_double = float(item["asDouble"])
        exemplar.span_id = bytes.fromhex(item.get("spanId", ""))
        exemplar.trace_id = bytes.fromhex(item.get("traceId", ""))
        found.append(exemplar)
    return found
