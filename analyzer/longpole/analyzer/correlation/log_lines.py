"""Log lines: found log records as the analysis reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from longpole.analyzer.json_text import object_of
from longpole.model.ids import join_trace_id

# OTLP's first number of each level; four numbers belong to each.
SEVERITIES: Mapping[str, int] = {
    "trace": 1,
    "debug": 5,
    "info": 9,
    "warn": 13,
    "error": 17,
    "fatal": 21,
}
WARN, ERROR = SEVERITIES["warn"], SEVERITIES["error"]
_NAMES = tuple(SEVERITIES)
# What tells instances of one service apart, most telling first.
INSTANCE_KEYS = ("service.instance.id", "k8s.pod.name", "container.id", "host.name")
# What some senders write instead of a number.
_SPELLINGS = {"warning": "warn", "critical": "fatal", "err": "error", "information": "info"}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One log record. Trace and span id 0 mean none; `instance` is what the resource calls
    itself, (key, value) pairs of `INSTANCE_KEYS`."""

    time_unix_nano: int
    service: str
    severity_number: int
    severity_text: str
    body: str
    trace_id: int = 0
    span_id: int = 0
    instance: tuple[tuple[str, str], ...] = ()

    @property
    def level(self) -> str:
        """One of `SEVERITIES`; empty when the record names none that is known."""
        return level_of(self.severity_number, self.severity_text)

    @property
    def severity(self) -> int:
        """The number, from the text where only that was sent; 0 when neither is known."""
        if self.severity_number:
            return self.severity_number
        return SEVERITIES.get(self.level, 0)


def level_of(number: int, text: str) -> str:
    """The level that a severity number, else its text, belongs to."""
    if 1 <= number <= 24:
        return _NAMES[(number - 1) // 4]
    word = text.strip().lower()[:20]
    word = _SPELLINGS.get(word, word)
    return word if word in SEVERITIES else ""


def log_lines(table: pa.Table) -> list[LogLine]:
    """The records of `FoundLogs.logs`, in the same order."""
    instances: dict[str, tuple[tuple[str, str], ...]] = {}
    names = (
        "time_unix_nano", "trace_hi", "trace_lo", "span_id", "severity_number", "severity_text",
        "body", "service_name", "resource",
    )  # fmt: skip
    lines = []
    for time, hi, lo, span_id, number, text, body, service, resource in zip(
        *(table.column(name).to_pylist() for name in names), strict=True
    ):
        known = instances.get(resource)
        if known is None:
            known = instances[resource] = instance_of(object_of(resource))
        lines.append(
            LogLine(
                time, service, number or 0, text or "", body or "", join_trace_id(hi, lo), span_id,
                known,
            )
        )  # fmt: skip
    return lines


def instance_of(attributes: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """How a resource names its instance."""
    return tuple((key, str(attributes[key])) for key in INSTANCE_KEYS if attributes.get(key))


def is_same_instance(one: Sequence[tuple[str, str]], other: Sequence[tuple[str, str]]) -> bool:
    """Whether two resources of one service may be the same process: the most telling key that
    both have decides; without any, nothing speaks against it."""
    others = dict(other)
    for key, value in one:
        if key in others:
            return others[key] == value
    return True
