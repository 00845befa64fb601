"""Log records as Loki sees them: labels of the stream, and what is known of each line besides.

As Loki does with OTLP: some resource attributes are labels of the stream, every other attribute is
structured metadata of the line; dots and the like become underscores.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

STREAM_ATTRIBUTES = frozenset(
    {
        "service.name", "service.namespace", "service.instance.id", "deployment.environment",
        "deployment.environment.name", "cloud.region", "cloud.availability_zone",
        "k8s.cluster.name", "k8s.container.name", "k8s.cronjob.name", "k8s.daemonset.name",
        "k8s.deployment.name", "k8s.job.name", "k8s.namespace.name", "k8s.pod.name",
        "k8s.replicaset.name", "k8s.statefulset.name", "container.name",
    }
)  # fmt: skip
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")
_LEVELS = ("unknown", "trace", "debug", "info", "warn", "error", "fatal")
_LEVEL_WORDS = {
    "trace": "trace", "debug": "debug", "info": "info", "information": "info", "notice": "info",
    "warn": "warn", "warning": "warn", "error": "error", "err": "error", "critical": "fatal",
    "fatal": "fatal",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Record:
    """One log record: `stream` are its labels, `metadata` what is known of it alone."""

    time_ns: int
    line: str
    stream: Mapping[str, str]
    metadata: Mapping[str, str]


def label_name(key: str) -> str:
    """The label of an attribute."""
    name = _NOT_IN_NAMES.sub("_", key)
    return f"_{name}" if not name or name[0].isdigit() else name


def records_of(logs: pa.Table) -> Iterator[Record]:
    """The records of `FoundLogs.logs`, in their order. What several share is made once."""
    resources: dict[tuple[str, str], tuple[dict[str, str], dict[str, str]]] = {}
    columns = (
        logs.column(name).to_pylist()
        for name in (
            "time_unix_nano", "trace_hi", "trace_lo", "span_id", "severity_number",
            "severity_text", "body", "service_name", "event_name", "attributes", "resource",
        )
    )  # fmt: skip
    for time, hi, lo, span, number, severity, body, service, event, own, resource in zip(
        *columns, strict=True
    ):
        key = (service, resource)
        if key not in resources:
            resources[key] = _resource_labels(service, resource)
        stream, shared = resources[key]
        metadata = dict(shared)
        for name, value in json.loads(own).items():
            metadata[label_name(name)] = text_of(value)
        if hi or lo:
            metadata["trace_id"] = f"{hi:016x}{lo:016x}"
        if span:
            metadata["span_id"] = f"{span:016x}"
        if severity:
            metadata["severity_text"] = severity
        if number:
            metadata["severity_number"] = str(number)
        if event:
            metadata["event_name"] = event
        metadata["detected_level"] = level_of(number, severity)
        yield Record(time, body or "", stream, metadata)


def level_of(number: int | None, severity: str | None) -> str:
    """The level by OTLP's severity number, else by its text."""
    if number and 1 <= number <= 24:
        return _LEVELS[(number - 1) // 4 + 1]
    return _LEVEL_WORDS.get((severity or "").strip().lower(), _LEVELS[0])


def text_of(value: object) -> str:
    """A value as a label has it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list) or value is None:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)


def _resource_labels(service: str, resource: str) -> tuple[dict[str, str], dict[str, str]]:
    stream = {"service_name": service}
    shared: dict[str, str] = {}
    for key, value in json.loads(resource).items():
        if key == "service.name":
            continue
        (stream if key in STREAM_ATTRIBUTES else shared)[label_name(key)] = text_of(value)
    return dict(sorted(stream.items())), shared
