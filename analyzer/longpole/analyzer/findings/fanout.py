"""Fan-out: very many calls at once, or very many calls between the same two services."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from statistics import median_low

from longpole.analyzer.calls import DB_SYSTEM, MESSAGING_SYSTEM
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detector import Detector
from longpole.analyzer.findings.evidence import found
from longpole.analyzer.findings.pool_wait import peak_at_once
from longpole.analyzer.findings.survey import survey_of
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.wording import duration_text, named
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import SpanKind

FANOUT, CHATTY = "excessive_fanout", "chatty_service"
_CLIENT = int(SpanKind.CLIENT)
_CALLING = (SpanKind.CLIENT, SpanKind.PRODUCER)


def _fanout(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    limit = thresholds.fanout_calls
    for parent, children in enumerate(explanation.tree.children):
        if len(children) <= limit:
            continue
        spans, survey = explanation.spans, survey_of(explanation)
        calls = [c for c in children if _calls_out(explanation, c)]
        peak = peak_at_once(spans, calls)
        if len(peak) <= limit:
            continue
        usual = median_low(survey.durations[c] for c in peak)
        slowest = max(peak, key=lambda c: (survey.durations[c], -c))
        saving = max(0, sum(survey.path_ns(c) for c in calls) - usual)
        is_critical = len(peak) > thresholds.fanout_critical_calls
        is_worth_it = saving >= thresholds.fanout_saving_share * explanation.duration_ns
        if is_critical:
            severity = FindingSeverity.CRITICAL
        else:
            severity = FindingSeverity.WARNING if is_worth_it else FindingSeverity.INFO
        name = named(spans.names[parent])
        yield found(
            explanation,
            FANOUT,
            parent,
            [parent, slowest, *(c for c in peak if c != slowest)],
            saving_ns=saving,
            reason=f"{name} makes {len(peak)} calls at the same time ({len(calls)} in all): it "
            f"waits for the slowest, {duration_text(survey.durations[slowest])}, where half of "
            f"them take at most {duration_text(usual)}.",
            action="Ask for many things with one call, bound how many run at once, and hedge or "
            f"give up the slowest: up to −{duration_text(saving)}.",
            severity=severity,
        )


def _calls_out(explanation: Explanation, index: int) -> bool:
    """Whether a span is a call, or wraps one."""
    spans, children = explanation.spans, explanation.tree.children
    return spans.kinds[index] in _CALLING or (
        spans.kinds[index] == SpanKind.INTERNAL
        and any(spans.kinds[child] in _CALLING for child in children[index])
    )


def _chatty(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    spans, limit = explanation.spans, thresholds.chatty_calls
    if spans.kinds.count(SpanKind.CLIENT) < limit:
        return
    pairs: dict[tuple[str, str], list[int]] = {}
    elsewhere = spans.texts((*DB_SYSTEM, *MESSAGING_SYSTEM))
    services, children, asked = spans.services, explanation.tree.children, survey_of(explanation)
    for index, kind in enumerate(spans.kinds):
        if kind == _CLIENT and (elsewhere is None or elsewhere[index] is None):
            own = services[index]
            for child in children[index]:  # as `callee_of`
                if services[child] != own:
                    peer: str | None = services[child]
                    break
            else:
                peer = None
            peer = peer or asked.calls.peer(index)
            if peer is not None and peer != own:
                pairs.setdefault((own, peer), []).append(index)
    for (service, peer), calls in pairs.items():
        if len(calls) < limit:
            continue
        kinds = Counter(asked.calls.key(call) for call in calls)
        if 2 * kinds.most_common(1)[0][1] >= len(calls):
            continue  # one call again and again: an N+1, a batch, polling or retries
        # What the callee does stays to be done; the ways there and back would become one.
        ways = [ns for call in calls if (ns := explanation.critical_ns.get(call, 0))]
        saving = sum(ways) - max(ways, default=0)
        is_worth_it = saving >= thresholds.chatty_saving_share * explanation.duration_ns
        calls.sort(key=lambda c: (-explanation.critical_ns.get(c, 0), c))
        first = min(calls, key=lambda c: (spans.starts[c], c))
        entry = survey_of(explanation).entry(first)
        yield found(
            explanation,
            CHATTY,
            entry,
            calls,
            saving_ns=saving,
            reason=f"{named(service)} calls {named(peer)} {len(calls)} times in one trace, with "
            f"{len(kinds)} different requests; {duration_text(sum(ways))} of the path is the way "
            "there and back.",
            action=f"Offer a call in {named(peer)} that answers all of it at once, or move the "
            "work to where its data is.",
            severity=FindingSeverity.WARNING if is_worth_it else FindingSeverity.INFO,
            where=(peer,),
        )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        FANOUT,
        "Excessive fan-out",
        "More than `fanout_calls` calls of one span run at the same instant; critical from more "
        "than `fanout_critical_calls`. A warning if a usual (median) call in place of the "
        "slowest would save `fanout_saving_share` of the root, else info.",
        _fanout,
    ),
    Detector(
        CHATTY,
        "Chatty services",
        "One service calls another at least `chatty_calls` times within a trace, and no single "
        "request makes up half of the calls (that would be an N+1). A warning if the ways there "
        "and back hold `chatty_saving_share` of the root's path.",
        _chatty,
    ),
)
