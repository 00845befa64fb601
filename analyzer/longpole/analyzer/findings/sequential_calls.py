"""Sequential calls: independent questions asked one after the other instead of at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from longpole.analyzer.calls import MESSAGING_SYSTEM
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detector import Detector
from longpole.analyzer.findings.evidence import found
from longpole.analyzer.findings.n_plus_one import callee_of
from longpole.analyzer.findings.repeated_calls import METHOD, is_database
from longpole.analyzer.findings.survey import Survey, survey_of
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.wording import duration_text, named
from longpole.model.finding import Finding
from longpole.model.span import SpanKind, StatusCode

IDENTIFIER = "sequential_calls"
_SMALLEST_GAP_NS = 5_000_000
_GAP_SHARE = 10  # of the mean call, one part in so many
_LISTED = 5
# gRPC says nothing about side effects but by its methods' names.
_READING_METHOD = re.compile(
    r"(?:.*[/.])?_*(?:get|list|find|search|query|read|fetch|lookup|count|check|recommend"
    r"|describe|show|batchget)",
    re.IGNORECASE,
)
# Whoever asks these first cannot ask the others at the same time.
_FIRST_OF_ALL = re.compile(
    r"\b(?:auth\w*|tokens?|login|sessions?|oauth\d?|jwks|introspect\w*)\b", re.IGNORECASE
)


def _look(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    survey = survey_of(explanation)
    if explanation.duration_ns < thresholds.sequential_saving_ns:
        return
    least = max(
        thresholds.sequential_saving_ns,
        round(thresholds.sequential_saving_share * explanation.duration_ns),
    )
    for parent in explanation.path.visited:
        children = explanation.tree.children[parent]
        if len(children) < thresholds.sequential_calls:
            continue
        durations = [survey.durations[child] for child in children]
        if sum(durations) - max(durations) < least:
            continue
        best: tuple[int, list[int]] = (0, [])
        for run in _runs(explanation, survey, parent):
            if len(run) < thresholds.sequential_calls:
                continue  # so they cannot be as many different ones
            if _different(survey, run) < thresholds.sequential_calls:
                continue
            best = max(best, (_saved(survey, run), run))
        saving, run = best
        if saving < least:
            continue
        yield _finding(explanation, survey, parent, run, saving)


def _finding(
    explanation: Explanation, survey: Survey, parent: int, run: list[int], saving: int
) -> Finding:
    spans = explanation.spans
    peers = list(dict.fromkeys(named(callee_of(explanation, c) or spans.names[c]) for c in run))
    listed = ", ".join(peers[:_LISTED]) + (" and others" if len(peers) > _LISTED else "")
    total = duration_text(sum(survey.durations[c] for c in run))
    longest = duration_text(max(survey.durations[c] for c in run))
    return found(
        explanation,
        IDENTIFIER,
        parent,
        [*run, parent],
        saving_ns=saving,
        reason=f"{len(run)} reading calls one after the other ({listed}) take {total}; "
        f"the longest of them takes {longest}.",
        action="If none of them needs the answer of another, make them at the same time: "
        f"up to −{duration_text(saving)}.",
        where=sorted(peers),
    )


def _runs(explanation: Explanation, survey: Survey, parent: int) -> Iterator[list[int]]:
    """Reading calls below `parent` that follow each other closely; anything that writes,
    publishes, fails or asks who somebody is ends a run, as it may force the order."""
    spans, children = explanation.spans, explanation.tree.children[parent]
    run: list[int] = []
    end = 0
    for child in sorted(children, key=lambda c: (spans.starts[c], spans.ends[c], c)):
        call = _call_of(explanation, child)
        if call is None:
            continue  # own work, which shows as a gap if it takes long
        if not _is_independent(spans, call):
            if run:
                yield run
            run = []
            continue
        gap = spans.starts[child] - end
        mean = sum(survey.durations[c] for c in run) // len(run) if run else 0
        if run and (gap < 0 or gap >= max(_SMALLEST_GAP_NS, mean // _GAP_SHARE)):
            yield run
            run = []
        run = [*run, call]
        end = spans.ends[child] if len(run) == 1 else max(end, spans.ends[child])
    if run:
        yield run


def _call_of(explanation: Explanation, child: int) -> int | None:
    """The call that a child is, or that it does nothing but wrap."""
    spans, children = explanation.spans, explanation.tree.children
    at = child
    while spans.kinds[at] not in (SpanKind.CLIENT, SpanKind.PRODUCER):
        below = children[at]
        if spans.kinds[at] != SpanKind.INTERNAL or len(below) != 1:
            return None
        at = below[0]
    return at


@lru_cache(maxsize=4096)
def _is_first_of_all(text: str) -> bool:
    return _FIRST_OF_ALL.search(text) is not None


def _is_independent(spans: PathSpans, call: int) -> bool:
    if spans.kinds[call] != SpanKind.CLIENT or spans.status_codes[call] == StatusCode.ERROR:
        return False
    if is_database(spans, call) or spans.text(call, MESSAGING_SYSTEM) is not None:
        # Queries of one connection wait for each other by their nature.
        return False
    name = spans.names[call]
    target = spans.text(call, ("url.full", "http.url", "url.template", "http.route")) or ""
    if _is_first_of_all(name) or (target and _is_first_of_all(target)):
        return False
    method = spans.text(call, METHOD)
    if method is not None:
        return method.upper() in ("GET", "HEAD")
    return _READING_METHOD.match(name.rsplit(" ", 1)[-1]) is not None


def _different(survey: Survey, run: Sequence[int]) -> int:
    """Calls of one kind again and again are an N+1; here, different ones count."""
    return len({survey.calls.key(c) for c in run})


def _saved(survey: Survey, run: Sequence[int]) -> int:
    """All calls but the longest, as far as they are on the path."""
    durations = [survey.durations[c] for c in run]
    on_path = [survey.path_ns(c) for c in run]
    return min(sum(durations) - max(durations), sum(on_path) - max(on_path))


DETECTORS: tuple[Detector, ...] = (
    Detector(
        IDENTIFIER,
        "Sequential calls",
        "At least `sequential_calls` different reading calls (GET, HEAD, or an RPC whose name "
        "says so) of one span follow each other without overlap and with hardly a pause; all "
        "but the longest would save `sequential_saving_ns` of path time and "
        "`sequential_saving_share` of the root. A call that writes, publishes or fails in "
        "between ends the run, and so does one for a token or a session: there the order may "
        "be forced. Queries of a database and equal calls (an N+1) do not count.",
        _look,
    ),
)
