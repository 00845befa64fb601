"""Rows of documents with the addresses that pages link them to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from longpole.dashboards.links import (
    Parameters,
    operation_address,
    service_address,
    traces_address,
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
