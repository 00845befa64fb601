"""The list of services that sent spans."""

from __future__ import annotations

from typing import Any

from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader


def services_report(reader: TraceReader, time: TimeRange | None = None) -> dict[str, Any]:
    """Services whose spans start in `time`, by name, with counts, operations and times."""
    return {
        "services": [
            {
                "name": service.name,
                "span_count": service.span_count,
                "error_count": service.error_count,
                "error_share": round(service.error_count / service.span_count, 6)
                if service.span_count
                else 0.0,
                "first_seen_unix_nano": service.first_seen_unix_nano,
                "last_seen_unix_nano": service.last_seen_unix_nano,
                "operations": list(service.operations),
            }
            for service in reader.services(time or TimeRange())
        ]
    }
