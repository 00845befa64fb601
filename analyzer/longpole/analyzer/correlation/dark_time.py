"""Dark time: parts of the critical path of which no span says what happened in them."""

from __future__ import annotations

from dataclasses import dataclass

from longpole.analyzer.calls import without_ids
from longpole.analyzer.explain import Explanation
from longpole.analyzer.labels import Label
from longpole.analyzer.wording import named
from longpole.model.span import SpanKind

_ENTRIES = (int(SpanKind.SERVER), int(SpanKind.CONSUMER))
_LEGS = {Label.NET_REQUEST: "on the way to", Label.NET_RESPONSE: "on the way back from"}


@dataclass(frozen=True, slots=True)
class Gap:
    """One stretch, half-open. `span` is the index of the span that holds it; `where` says between
    which of its children it lies; `is_network`: between a caller and a callee."""

    span: int
    start_unix_nano: int
    end_unix_nano: int
    where: str
    is_network: bool

    @property
    def length_ns(self) -> int:
        """How long it is."""
        return self.end_unix_nano - self.start_unix_nano


def gaps_of(explanation: Explanation, least_ns: int) -> list[Gap]:
    """Gaps of at least `least_ns`, longest first.

    A span that a request enters a service by, or that has children, is a frame for work: what it
    holds itself, while no child runs, is a gap. An inner span without children names its work, and
    so does a call to something that sends no spans. The legs between client and server count.
    """
    spans, segments, children = explanation.spans, explanation.segments, explanation.tree.children
    columns = (segments.owners, segments.labels, segments.starts, segments.ends, segments.peers)
    gaps = []
    for owner, label, start, end, peer in zip(*columns, strict=True):
        if end - start < least_ns:
            continue
        if label in _LEGS:
            where = f"{_LEGS[label]} {named(peer or 'its callee')}"
            gaps.append(Gap(owner, start, end, where, True))
        elif label is Label.SELF and (children[owner] or spans.kinds[owner] in _ENTRIES):
            gaps.append(Gap(owner, start, end, _where(explanation, owner, start, end), False))
    return sorted(gaps, key=lambda gap: (-gap.length_ns, gap.start_unix_nano))


def _where(explanation: Explanation, owner: int, start: int, end: int) -> str:
    """Between which children a stretch without any lies."""
    spans = explanation.spans
    last = following = -1
    for child in explanation.tree.children[owner]:
        if spans.ends[child] <= start and (last < 0 or spans.ends[last] < spans.ends[child]):
            last = child
        if spans.starts[child] >= end and (
            following < 0 or spans.starts[child] < spans.starts[following]
        ):
            following = child
    names = [named(without_ids(spans.names[i])) if i >= 0 else "" for i in (last, following)]
    if last >= 0 and following >= 0:
        return f"between {names[0]} and {names[1]}"
    if last >= 0:
        return f"after {names[0]}"
    return f"before {names[1]}" if following >= 0 else "all of it"
