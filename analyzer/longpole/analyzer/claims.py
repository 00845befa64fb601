"""Claims: which part of the critical path a finding explains; no cause explains it again."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from longpole.analyzer.critical_path import RawPath
from longpole.analyzer.labels import Label
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.same_ids import Namesake, meant_of
from longpole.analyzer.tree import NO_PARENT, SpanTree
from longpole.model.finding import Finding


class Reach(Enum):
    """What of its evidence a finding explains."""

    PLACE = "place"  # the spans of its service and operation, with all that they wait for
    CALLS = "calls"  # the calls of its evidence, not the span that makes them
    OWN = "own"  # the own time of its place and nothing below


# Where a finding names the span that makes calls, its place would hold far too much.
_REACH = {
    "sequential_calls": Reach.CALLS,
    "excessive_fanout": Reach.CALLS,
    "chatty_service": Reach.CALLS,
    "uninstrumented_gap": Reach.OWN,
    "saga_uncompensated": Reach.OWN,
}


class Claim(NamedTuple):
    """`spans` are the indices whose path time a finding explains; `is_own`: only what they do
    themselves. `place` has the service and operation that the finding names."""

    spans: frozenset[int]
    is_own: bool
    place: tuple[str, str]

    def holds(self, owner: int, label: Label) -> bool:
        """Whether a segment is claimed."""
        return owner in self.spans and (not self.is_own or label is Label.SELF)


def claims_of(
    spans: PathSpans, tree: SpanTree, path: RawPath, findings: Sequence[Finding]
) -> list[Claim]:
    """One claim for each finding. Claims may meet; the first one counts then."""
    return [_claim(spans, tree, path, finding) for finding in findings]


def _claim(spans: PathSpans, tree: SpanTree, path: RawPath, finding: Finding) -> Claim:
    reach = _REACH.get(finding.detector, Reach.PLACE)
    evidence = _indices(spans, finding)
    place = {
        i
        for i in evidence
        if spans.services[i] == finding.service and spans.names[i] == finding.operation
    }
    if reach is Reach.CALLS:
        claimed = evidence - {tree.parents[i] for i in evidence} or evidence
    else:
        # A circuit that is open names the callee, which has no span.
        claimed = place or evidence
    if reach is Reach.OWN:
        return Claim(frozenset(claimed), True, (finding.service, finding.operation))
    for index in path.visited:  # parents come first
        if tree.parents[index] != NO_PARENT and tree.parents[index] in claimed:
            claimed.add(index)
    return Claim(frozenset(claimed), False, (finding.service, finding.operation))


def _indices(spans: PathSpans, finding: Finding) -> set[int]:
    found: set[int] = set()
    for span_id in finding.span_ids:
        index = bisect_left(spans.span_ids, span_id)  # spans are in the order of their ids
        end = bisect_right(spans.span_ids, span_id, index)
        if end - index > 1:
            namesakes = (
                Namesake(i, spans.services[i], spans.names[i], 0, spans.ends[i] - spans.starts[i])
                for i in range(index, end)
            )
            index = meant_of(namesakes, finding.service, finding.operation)
        if end > index >= 0:
            found.add(index)
    return found
