"""Builds traces for the analyzer's tests from short descriptions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from longpole.analyzer.critical_path import Overflow, PathOptions
from longpole.model.span import AttributeValue, Span, SpanKind
from longpole.model.trace import Trace

TRACE_ID = 0x5B8EFFF798038103D269B633813FC60C
CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "critical-path-cases.json").read_text()
)["cases"]


def span(
    span_id: int,
    parent: int,
    start: int,
    end: int,
    *,
    service: str = "a",
    name: str = "",
    kind: int = SpanKind.INTERNAL,
    error: bool = False,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Span:
    """A span; the name defaults to `op-<id>`."""
    return Span(
        trace_id=TRACE_ID,
        span_id=span_id,
        parent_span_id=parent,
        name=name or f"op-{span_id}",
        kind=kind,
        start_unix_nano=start,
        end_unix_nano=end,
        service_name=service,
        status_code=2 if error else 0,
        attributes=attributes or {},
    )


def trace(spans: Iterable[Span]) -> Trace:
    """A trace of these spans."""
    return Trace(TRACE_ID, tuple(spans))


def case_trace(case: dict[str, Any]) -> tuple[Trace, dict[int, str]]:
    """The trace of a case, its text ids as numbers in the same order, and the way back."""
    texts = {s["id"] for s in case["spans"]} | {s["parent"] for s in case["spans"] if s["parent"]}
    number = {text: place for place, text in enumerate(sorted(texts), 1)}
    spans = [
        span(
            number[s["id"]],
            number[s["parent"]] if s["parent"] else 0,
            s["start"],
            s["end"],
            service=s["service"],
            name=s["name"],
            kind=SpanKind[s["kind"].upper()],
            error=s["error"],
        )
        for s in case["spans"]
    ]
    return trace(spans), {place: text for text, place in number.items()}


def case_options(mode: dict[str, Any]) -> PathOptions:
    """The options of a case's mode; tau is 0 unless it says otherwise."""
    return PathOptions(Overflow(mode["overflow"]), mode["eps"], mode.get("tau", 0))
