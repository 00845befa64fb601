"""Rows of documents with the addresses that pages link them to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from longpole.dashboards.links import (
    Parameters,
    operation_address,
    service_address,
    traces_address,
    typed_errors_address,
)


def linked_services(rows: Iterable[Mapping[str, Any]], time: Parameters) -> list[dict[str, Any]]:
    """With `address` of the service's page and `failed_address` of its failed traces."""
    return [
        {
            **row,
            "address": service_address(row["service"], time),
            "failed_address": traces_address(time, row["service"], only_errors=True),
        }
        for row in rows
    ]


def linked_operations(rows: Iterable[Mapping[str, Any]], time: Parameters) -> list[dict[str, Any]]:
    """With `address` of the operation's page, `service_address` and `failed_address`."""
    return [
        {
            **row,
            "address": operation_address(row["service"], row["operation"], time),
            "service_address": service_address(row["service"], time),
            "failed_address": traces_address(
                time, row["service"], row["operation"], only_errors=True
            ),
        }
        for row in rows
    ]


def linked_errors(found: Mapping[str, Any], service: str, time: Parameters) -> dict[str, Any]:
    """An `error_types` document, each type with a `label` and an `address`: all traces with such
    an error where a search can find them, else the one trace that is an example."""
    types = []
    for one in found["types"]:
        example = one["examples"][0]
        shown = f"/traces/{example['trace_id']}?span={example['span_id']}"
        address = typed_errors_address(time, service, one["key"], one["type"])
        types.append(
            {**one, "label": _label(one), "address": address or shown, "example_address": shown}
        )
    return {**found, "types": types}


def _label(one: Mapping[str, Any]) -> str:
    """A bare number says too little."""
    key, text = str(one["key"]), str(one["type"])
    if not text.isdigit():
        return text
    return f"gRPC status {text}" if key.startswith("rpc.") else f"status {text}"
