"""Large payloads: bodies of HTTP requests and answers that take long to make, send and read."""

from __future__ import annotations

from collections.abc import Iterator

from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detector import Detector
from longpole.analyzer.findings.evidence import found
from longpole.analyzer.findings.n_plus_one import callee_of
from longpole.analyzer.findings.survey import survey_of
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.wording import duration_text, named
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import SpanKind

IDENTIFIER = "large_http_payload"
ANSWER_SIZE = ("http.response.body.size", "http.response_content_length")
REQUEST_SIZE = ("http.request.body.size", "http.request_content_length")
_ANY_SIZE = (*ANSWER_SIZE, *REQUEST_SIZE)
# A body that comes and goes faster than this harms nobody, and most spans need no look then.
_SHORTEST_NS = 5_000_000
_HTTP = (SpanKind.CLIENT, SpanKind.SERVER)
_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def _look(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    survey = survey_of(explanation)
    spans, parents = explanation.spans, explanation.tree.parents
    if survey.longest_ns < _SHORTEST_NS or not spans.may_have(_ANY_SIZE):
        return
    large: dict[int, tuple[int, str]] = {}
    for index, duration in enumerate(survey.durations):
        if duration < _SHORTEST_NS or spans.kinds[index] not in _HTTP:
            continue
        if spans.text(index, _ANY_SIZE) is None:
            continue
        size, which = _larger(spans, index)
        if size >= thresholds.large_payload_bytes or (
            size >= thresholds.large_slow_payload_bytes
            and duration >= thresholds.large_slow_payload_ns
        ):
            large[index] = (size, which)
    told: set[tuple[str, str, str]] = set()
    for index in sorted(large, key=lambda i: (-large[i][0], i)):
        if parents[index] in large and spans.kinds[index] == SpanKind.SERVER:
            continue  # the caller's span tells of the same body
        size, which = large[index]
        place = (spans.services[index], spans.names[index], which)
        if place in told:
            continue
        told.add(place)
        # Making and reading the body is inside both spans; the way between them is the call's.
        saving = explanation.critical_ns.get(index, 0)
        duration = survey.durations[index]
        is_slow = duration >= thresholds.large_slow_payload_ns
        peer = callee_of(explanation, index) if spans.kinds[index] == SpanKind.CLIENT else None
        whose = f" of {named(peer)}" if peer else ""
        yield found(
            explanation,
            IDENTIFIER,
            index,
            [index],
            saving_ns=saving,
            reason=f"The {which}{whose} in {named(spans.names[index])} has {size_text(size)}; the "
            f"span takes {duration_text(duration)}.",
            action="Send less: pages, only the fields that are needed, compression; or stream it, "
            "or let the client keep it (ETag, Cache-Control).",
            severity=FindingSeverity.WARNING if is_slow else FindingSeverity.INFO,
            where=(which,),
        )


def _larger(spans: PathSpans, index: int) -> tuple[int, str]:
    answer, request = (_size(spans.text(index, keys)) for keys in (ANSWER_SIZE, REQUEST_SIZE))
    return (request, "request") if request > answer else (answer, "answer")


def _size(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text[:18].isdigit() else 0


def size_text(size: int) -> str:
    """`1.4 MB`, `310 kB`; decimal units."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} bytes"


DETECTORS: tuple[Detector, ...] = (
    Detector(
        IDENTIFIER,
        "Large payloads",
        "The body of an HTTP request or answer has `large_payload_bytes`, or "
        "`large_slow_payload_bytes` in a span of `large_slow_payload_ns`; by "
        "`http.response.body.size`, `http.request.body.size` or their older names. A warning "
        "when the span is that slow and on the path; client and server count once.",
        _look,
    ),
)
