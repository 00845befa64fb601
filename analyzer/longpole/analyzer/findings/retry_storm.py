"""Retry storms: failed calls repeated often, or at once, or on several levels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from longpole.analyzer.calls import RESEND_COUNT
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detector import Detector
from longpole.analyzer.findings.evidence import found
from longpole.analyzer.findings.n_plus_one import callee_of
from longpole.analyzer.findings.survey import Survey, survey_of
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.labels import Label
from longpole.analyzer.retries import retries
from longpole.analyzer.wording import between_text, counted, named
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import StatusCode

IDENTIFIER = "retry_storm"
_GROWTH = 1.5  # of a pause against the one before, or it is no backing off


@dataclass(frozen=True, slots=True)
class Attempts:
    """Attempts at one call below one span, in time order. `inside` is the attempt, of another
    call further up, that these were made for; -1 when nobody above repeats."""

    parent: int
    calls: list[int]
    inside: int


def attempts_of(explanation: Explanation) -> list[Attempts]:
    """Every call of a trace that was repeated after a failure."""
    spans, tree, windows = explanation.spans, explanation.tree, explanation.windows
    chains: list[tuple[int, list[int]]] = []
    if StatusCode.ERROR not in spans.status_codes:
        # Repetitions that only their resend count tells of are not worth a walk over each trace.
        return []
    for parent in _parents_of_attempts(explanation):
        children = tree.children[parent]
        if len(children) < 2:
            continue
        following = dict(retries(spans, children, windows.starts, windows.ends))
        for head in sorted(following.keys() - set(following.values())):
            chain = [head]
            while chain[-1] in following:
                chain.append(following[chain[-1]])
            chains.append((parent, chain))
    attempts = {call for _, chain in chains for call in chain}
    found_chains = []
    for parent, chain in chains:
        above = parent
        while above >= 0 and above not in attempts:
            above = tree.parents[above]
        found_chains.append(Attempts(parent, chain, above))
    return found_chains


def _parents_of_attempts(explanation: Explanation) -> Iterable[int]:
    """The spans whose calls may be attempts: one failed, or says that it is a repetition."""
    spans, parents = explanation.spans, explanation.tree.parents
    if spans.texts(RESEND_COUNT) is not None:
        return range(len(spans))
    return sorted({parents[i] for i in spans.failed() if parents[i] >= 0})


def _look(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    chains = attempts_of(explanation)
    if not chains:
        return
    survey, spans = survey_of(explanation), explanation.spans
    alike: dict[tuple[str, str, int], list[Attempts]] = {}
    for chain in chains:
        call = chain.calls[0]
        # What is repeated within the repetitions of one call further up belongs together.
        outer = _outermost(chain, chains)
        alike.setdefault((spans.services[call], spans.names[call], outer), []).append(chain)
    for (_, _, outer), group in alike.items():
        yield from _finding(explanation, survey, thresholds, group, outer >= 0)


def _outermost(chain: Attempts, chains: list[Attempts]) -> int:
    """The first attempt of the outermost call that is repeated around this one, or -1."""
    by_attempt = {call: other for other in chains for call in other.calls}
    outer = -1
    while chain.inside >= 0:
        chain = by_attempt[chain.inside]
        outer = chain.calls[0]
    return outer


def _finding(
    explanation: Explanation,
    survey: Survey,
    thresholds: Thresholds,
    group: list[Attempts],
    is_nested: bool,
) -> Iterator[Finding]:
    spans = explanation.spans
    worst = max(group, key=lambda chain: len(chain.calls))
    total = sum(len(chain.calls) for chain in group)
    most = total if is_nested else len(worst.calls)
    calls = [call for chain in group for call in chain.calls]
    failed = sum(spans.status_codes[call] == StatusCode.ERROR for call in calls)
    pauses = _pauses(explanation, worst)
    at_once = not is_backing_off(pauses, thresholds)
    if at_once and failed > len(group):
        # Several calls to the same that fail more than once each: it is the same storm.
        most = total
    if most < thresholds.retry_attempts:
        return
    saving = sum(_saved(explanation, survey, chain) for chain in group)
    peer = named(callee_of(explanation, worst.calls[0]) or spans.names[worst.calls[0]])
    is_storm = most >= thresholds.retry_storm_attempts and (at_once or is_nested)
    if is_nested:
        how = ", because callers further up repeat their calls too"
    elif at_once:
        how = f" with hardly a pause ({between_text(min(pauses), max(pauses))})"
    else:
        how = f" with pauses of {between_text(min(pauses), max(pauses))}"
    per_call = "" if len(group) == 1 else f" in {counted(len(group), 'call')}"
    service, operation = (named(names[worst.calls[0]]) for names in (spans.services, spans.names))
    yield found(
        explanation,
        IDENTIFIER,
        worst.calls[0],
        calls,
        saving_ns=saving,
        reason=f"{service} made {counted(total, 'attempt')}{per_call} at {operation} of {peer}, "
        f"{failed} failed{how}.",
        action=f"Mend what fails in {peer}; back off exponentially with jitter, cap the attempts "
        "and the share of retries (a retry budget), and repeat on one level only.",
        severity=FindingSeverity.WARNING if is_storm else FindingSeverity.INFO,
        where=(peer,),
        matters_off_path=is_storm,
    )


def is_backing_off(pauses: list[int], thresholds: Thresholds) -> bool:
    """Whether most pauses between attempts are long enough or longer than the one before."""
    patient = 0
    before: int | None = None
    for pause in pauses:
        grows = before is not None and before > 0 and pause >= _GROWTH * before
        patient += pause >= thresholds.retry_pause_ns or grows
        before = pause
    return 2 * patient > len(pauses)


def _pauses(explanation: Explanation, chain: Attempts) -> list[int]:
    starts, ends = explanation.spans.starts, explanation.spans.ends
    return [
        max(0, starts[after] - ends[before])
        for before, after in zip(chain.calls, chain.calls[1:], strict=False)
    ]


def _saved(explanation: Explanation, survey: Survey, chain: Attempts) -> int:
    """Path time of all attempts but the one that is needed (the last if it worked, else the
    first), and of the pauses between them."""
    spans, segments = explanation.spans, explanation.segments
    has_worked = spans.status_codes[chain.calls[-1]] != StatusCode.ERROR
    superfluous = chain.calls[:-1] if has_worked else chain.calls[1:]
    saved = sum(survey.path_ns(call) for call in superfluous)
    begin, end = spans.ends[chain.calls[0]], spans.starts[chain.calls[-1]]
    columns = (segments.owners, segments.labels, segments.starts, segments.ends)
    for owner, label, start, stop in zip(*columns, strict=True):
        if owner == chain.parent and label is Label.BACKOFF:
            saved += max(0, min(stop, end) - max(start, begin))
    return saved


DETECTORS: tuple[Detector, ...] = (
    Detector(
        IDENTIFIER,
        "Retries",
        "One call is attempted `retry_attempts` times or more (info). It is a storm, and a "
        "warning, from `retry_storm_attempts` on if there is no backing off (most pauses are "
        "shorter than `retry_pause_ns` and do not grow by half), also when several calls that "
        "fail more than once each add up to that number, or if attempts on several levels "
        "multiply to it.",
        _look,
        needs_failure=True,
    ),
)
