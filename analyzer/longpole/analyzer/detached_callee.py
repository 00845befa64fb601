"""Callees whose spans are in the trace, but not where their caller waited for them."""

from __future__ import annotations

from dataclasses import dataclass

from longpole.analyzer.critical_path import DetachReason, Windows, walk
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.tree import SpanTree
from longpole.model.span import SpanKind


@dataclass(frozen=True, slots=True)
class DetachedCallee:
    """The span that answers a call, by index, and why it is not on its caller's path; no
    reason means that it has no duration."""

    span: int
    reason: DetachReason | None


def detached_callee(
    spans: PathSpans, tree: SpanTree, found: Windows, caller: int
) -> DetachedCallee | None:
    """The longest span that answers `caller`, which no running child did; None when nobody
    sent any.

    A child answers if it is a SERVER, a CONSUMER or of another service: a late child of the
    caller itself says nothing about whom it called.
    """
    answers = [
        child
        for child in tree.children[caller]
        if spans.kinds[child] in (SpanKind.SERVER, SpanKind.CONSUMER)
        or spans.services[child] != spans.services[caller]
    ]
    if not answers:
        return None
    longest = min(answers, key=lambda i: (spans.starts[i] - spans.ends[i], i))
    return DetachedCallee(longest, found.detached.get(longest))


def mostly_in(spans: PathSpans, found: Windows, root: int) -> int:
    """The span that holds most of the path of a detached tree; `root` if it has no duration."""
    path = walk(root, found)
    held: dict[int, int] = {root: 0}
    for owner, start, end in zip(path.owners, path.starts, path.ends, strict=True):
        held[owner] = held.get(owner, 0) + end - start
    return min(held, key=lambda i: (-held[i], i))
