"""What each question answers with, as the OpenAPI document says it: the schemas of `docs/schemas`.

Those files are part of the documentation; a wheel carries a copy beside this module. In the
OpenAPI document each is a component, so that it needs nothing from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

# By path and method: the schema, or (schema, key) where it describes one entry of a list.
ANSWERED: Mapping[str, str | tuple[str, str]] = {
    "/traces": "traces",
    "/search": "search",
    "/completion": "completion",
    "/traces/{trace_id}": "trace",
    "/traces/{trace_id}/state": "trace-state",
    "/traces/{trace_id}/verdict": "trace-verdict",
    "/critical-path": "critical-path",
    "/findings": ("findings", "findings"),
    "/alerts": ("alerts", "alerts"),
    "/gaps": "gaps",
    "/root-cause": "root-cause",
    "/what-if": "what-if",
    "/logs": ("logs", "logs"),
    "/logs/levels": "log-levels",
    "/logs/patterns": ("log-patterns", "patterns"),
    "/compare": "compare",
    "/compare/traces": "compare-traces",
    "/map": "map",
    "/services": "services",
    "/overview": "overview",
    "/services/{service}": "service-over-time",
    "/services/{service}/operation": "operation-over-time",
    "/services/{service}/verdict": "service",
    "/attribute-keys": "attribute-keys",
    "/status": "status",
    "/sql": "sql",
}
# Streams and bytes, by media type; what they hold has a description of its own.
OTHERWISE: Mapping[str, str] = {
    "/export": "application/json",
    "/traces/{trace_id}/export": "application/json",
    "/traces/{trace_id}/columns": "application/vnd.longpole.trace-columns",
    "/traces/{trace_id}/ids": "application/octet-stream",
    "/traces/{trace_id}/find": "application/octet-stream",
}
LIVE = "/live"
_ABOUT_A_FILE = frozenset({"$schema", "title", "$defs"})


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """Every schema as a component, by name; what a file defines for itself is one of its own."""
    components: dict[str, dict[str, Any]] = {}
    for path in sorted(_folder().glob("*.json")):
        found = json.loads(path.read_text())
        for name, definition in found.get("$defs", {}).items():
            components[f"{path.stem}.{name}"] = _elsewhere(definition, path.stem)
        own = {key: value for key, value in found.items() if key not in _ABOUT_A_FILE}
        components[path.stem] = _elsewhere(own, path.stem)
    return components


def response(path: str) -> dict[str, Any] | None:
    """The answer with status 200 of a question; None for one that is not in the tables."""
    if path == LIVE:
        return {
            "description": "Events `traces`, the data of each a document; lines that begin with a "
            "colon say that nothing is new.",
            "content": {
                "text/event-stream": {
                    "schema": {
                        "type": "string",
                        "contentMediaType": "application/json",
                        "contentSchema": reference("live"),
                    }
                }
            },
        }
    if path in OTHERWISE:
        return {"description": "As it is", "content": {OTHERWISE[path]: {}}}
    named = ANSWERED.get(path)
    if named is None:
        return None
    return {
        "description": "The answer",
        "content": {"application/json": {"schema": _schema(named)}},
    }


def refusal() -> dict[str, Any]:
    """The answer with any other status."""
    return {
        "description": "Why there is no answer",
        "content": {"application/json": {"schema": reference("error")}},
    }


def reference(name: str) -> dict[str, str]:
    """Where a schema is in the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{name}"}


def _schema(named: str | tuple[str, str]) -> dict[str, Any]:
    if isinstance(named, str):
        return dict(reference(named))
    name, key = named
    entries = {"type": "array", "items": reference(name)}
    return {"type": "object", "properties": {key: entries}, "required": [key]}


def _elsewhere(schema: dict[str, Any], stem: str) -> dict[str, Any]:
    """With references into the file turned into those to components."""
    copied: dict[str, Any] = json.loads(json.dumps(schema))
    waiting: list[Any] = [copied]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if str(one.get("$ref", "")).startswith("#/$defs/"):
                one["$ref"] = f"#/components/schemas/{stem}.{one['$ref'].rpartition('/')[2]}"
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    return copied


def _folder() -> Path:
    beside = Path(__file__).parent / "schemas"
    return beside if beside.is_dir() else Path(__file__).parents[3] / "docs" / "schemas"
