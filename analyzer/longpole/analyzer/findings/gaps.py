"""Uninstrumented gaps: time on the path that no span explains."""

from __future__ import annotations

from collections.abc import Iterator

from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detector import Detector
from longpole.analyzer.findings.evidence import found
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.labels import Label
from longpole.analyzer.wording import duration_text, named, share_text
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import SpanKind

IDENTIFIER = "uninstrumented_gap"
_ENTERED = (int(SpanKind.SERVER), int(SpanKind.CONSUMER))


def _look(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    root_ns = explanation.duration_ns
    least = max(thresholds.gap_ns, round(thresholds.gap_share * root_ns))
    if root_ns < least:
        return
    spans, segments, children = explanation.spans, explanation.segments, explanation.tree.children
    # An inner span without children says what the time is spent on: that is its name.
    candidates = {
        i
        for i, ns in explanation.critical_ns.items()
        if ns >= least and (children[i] or spans.kinds[i] in _ENTERED)
    }
    if not candidates:
        return
    own: dict[int, list[int]] = {}
    own_work = Label.SELF
    columns = (segments.owners, segments.labels, segments.starts, segments.ends)
    for owner, label, start, end in zip(*columns, strict=True):
        if owner in candidates and label is own_work:
            own.setdefault(owner, []).append(end - start)
    for index, gaps in own.items():
        total = sum(gaps)
        if total < least:
            continue
        longest = duration_text(max(gaps))
        name = named(spans.names[index])
        where = (
            f"between its child spans, {longest} of it in one piece"
            if children[index]
            else "without any child span"
        )
        # One long piece hides something; many short ones are the code between its calls, or a
        # machine that is too busy.
        is_long = max(gaps) >= thresholds.gap_warning_ns
        yield found(
            explanation,
            IDENTIFIER,
            index,
            [index],
            saving_ns=total,
            reason=f"{named(spans.services[index])} spends {duration_text(total)} in {name} "
            f"({share_text(total / root_ns)} of the trace) {where}: no span shows what it does "
            "meanwhile.",
            action=f"Put spans around what {name} does (locks, computing, calls by libraries "
            "without instrumentation), or profile it; give calls that may hang a timeout.",
            severity=FindingSeverity.WARNING if is_long else FindingSeverity.INFO,
        )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        IDENTIFIER,
        "Uninstrumented gaps",
        "A span that requests enter a service by, or that has children, holds `gap_ns` of the "
        "path and `gap_share` of the root itself, while none of its children runs. A warning "
        "from `gap_warning_ns` in one piece on. Inner spans without children name their work and "
        "do not count, nor do calls.",
        _look,
    ),
)
