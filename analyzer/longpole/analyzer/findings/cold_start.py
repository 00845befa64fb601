"""Cold starts: requests that wait until something is loaded or set up for the first time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detector import Detector, fingerprint_of
from longpole.analyzer.findings.path_time import path_time
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.tree import NO_PARENT
from longpole.analyzer.wording import counted, duration_text, named, share_text
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import SpanKind

_MOST_SPAN_IDS = 50
_COLD = ("faas.coldstart",)
_INSIDE = (int(SpanKind.INTERNAL), int(SpanKind.UNSPECIFIED))
_LONGEST_NAME = 200
# What a process loads once. `load order` is none of it, nor is `init payment`.
_ONCE = (
    r"(?:ml |language |ranking |\w+ )?models?|weights|embeddings?|checkpoint|tokenizer"
    r"|config(?:uration)?|settings|secrets|certificates?|plugins?|modules?|classes|class|beans?"
    r"|(?:\w+ )?(?:cache|index|dictionary|dictionaries|rules|schema|driver|engine)s?"
)
_SET_UP = (
    r"application|app|context|runtime|container|sdk|pool|connection pool|client|driver|engine"
    r"|function|environment|interpreter|jvm|worker|process|instance|system|server"
)
_FIRST_TIME = re.compile(
    rf"^(?:.* )?load(?:s|ing)? (?:the |all )?(?:{_ONCE})$"
    rf"|^(?:.* )?(?:read|fetch|download|build|compile|open|map)(?:ing)? (?:the )?"
    r"(?:(?:\w+ )?models?|weights|embeddings?|checkpoint|search index)$"
    rf"|^(?:.* )?(?:init|initiali[sz](?:e|ing|ation)|bootstrap|start(?:ing|up)?|set ?up)"
    rf"(?: (?:of )?(?:the )?(?:{_SET_UP}|{_ONCE}))$"
    r"|^(?:initiali[sz](?:e|ing|ation)|init|bootstrap|warm ?up|cold ?start|startup)$"
    r"|\b(?:cold ?start|warm(?:ing)? ?up|jit compil\w*)\b",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN_WORDS = re.compile(r"[^A-Za-z0-9]+")


@lru_cache(maxsize=4096)
def is_first_time(name: str) -> bool:
    """Whether a span, by its name, does what a process does once: `load model`,
    `ModelLoader.loadModel`, `init_connection_pool`, `warm-up`."""
    words = _BETWEEN_WORDS.sub(" ", _CAMEL.sub(" ", name[:_LONGEST_NAME])).strip()
    return _FIRST_TIME.search(words) is not None


def _cold_starts(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    spans = explanation.spans
    if explanation.duration_ns < thresholds.cold_start_ns and not explanation.detached:
        return
    starts, ends, kinds, names = spans.starts, spans.ends, spans.kinds, spans.names
    loads: list[int] = []
    for index, start in enumerate(starts):
        if ends[index] - start < thresholds.cold_start_ns:
            continue
        if kinds[index] in _INSIDE and is_first_time(names[index]):
            loads.append(index)
    groups: dict[tuple[str, str], list[int]] = {}
    for index in _outermost(explanation, loads):
        groups.setdefault((spans.services[index], names[index]), []).append(index)
    for place in sorted(groups):
        yield _finding(explanation, place, groups[place])
    yield from _said_so(explanation, thresholds, {spans.services[i] for i in loads})


def _outermost(explanation: Explanation, loads: list[int]) -> list[int]:
    """Those that are below no other one."""
    if len(loads) < 2:
        return loads
    tree, chosen = explanation.tree, set(loads)
    is_within = [False] * len(explanation.spans)
    for index in tree.order:
        above = tree.parents[index]
        is_within[index] = above != NO_PARENT and (is_within[above] or above in chosen)
    return [index for index in loads if not is_within[index]]


def _said_so(explanation: Explanation, thresholds: Thresholds, told: set[str]) -> Iterator[Finding]:
    """Functions that say of themselves that they were started for this request."""
    spans = explanation.spans
    groups: dict[tuple[str, str], list[int]] = {}
    for index, start in enumerate(spans.starts):
        if spans.ends[index] - start < thresholds.cold_start_ns:
            continue
        if spans.services[index] not in told and spans.text(index, _COLD) == "true":
            groups.setdefault((spans.services[index], spans.names[index]), []).append(index)
    for place in sorted(groups):
        yield _finding(explanation, place, groups[place], is_said=True)


def _finding(
    explanation: Explanation, place: tuple[str, str], loads: list[int], *, is_said: bool = False
) -> Finding:
    spans = explanation.spans
    service, operation = place
    # How much of its time a function spent on starting, its span does not tell.
    held_ns = path_time(explanation, loads)
    saving_ns = 0 if is_said else held_ns
    longest_ns = max(spans.ends[i] - spans.starts[i] for i in loads)
    if is_said:
        what = (
            f"{named(service)} › {named(operation)} was started for this request "
            f"(faas.coldstart) and took {duration_text(longest_ns)}"
        )
    else:
        many = "" if len(loads) == 1 else f", in {counted(len(loads), 'span')}"
        what = (
            f"The request waits while {named(service)} does {named(operation)}, work of a new "
            f"instance: {duration_text(longest_ns)}{many}"
        )
    share = held_ns / explanation.duration_ns if explanation.duration_ns else 0.0
    on_path = f", {share_text(share)} of the path" if held_ns else ", beside the path"
    return Finding(
        detector=COLD_START.identifier,
        severity=FindingSeverity.WARNING if held_ns else FindingSeverity.INFO,
        trace_id=explanation.trace_id,
        span_ids=tuple(spans.span_ids[i] for i in loads)[:_MOST_SPAN_IDS],
        service=service,
        operation=operation,
        saving_ns=saving_ns,
        reason=f"{what}{on_path}.",
        action=(
            f"Load it when {named(service)} starts and before it says it is ready, keep a warm "
            "instance, or send new instances traffic only once they are warm."
        ),
        fingerprint=fingerprint_of(COLD_START.identifier, service, operation),
    )


COLD_START = Detector(
    "cold_start",
    "A request waits for a cold start",
    "An INTERNAL span of at least `cold_start_ns` that by its name loads or sets up what a "
    "process needs once (`load model`, `init connection pool`, `warm-up`, `cold start`), or a "
    "span that says `faas.coldstart`. A warning, information off the path.",
    _cold_starts,
)

DETECTORS: tuple[Detector, ...] = (COLD_START,)
