"""The call-path tree: exclusive and inclusive path time of every chain of calls.

Stored segments know their call path by number only (`call_path.py`). The chain behind a number is
read off spans that have it: `CallSteps` learns them from any trace, and keeps for each number the
one above and the last step, so that a chain of 100,000 calls costs 100,000 entries and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from longpole.analyzer.call_path import call_path_ids
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.repair import repair
from longpole.analyzer.tree import build_tree

TOP = 0  # the number above a root


class Step(NamedTuple):
    """The end of a chain: the number of the chain above it (`TOP` for a root) and the call."""

    above: int
    service: str
    operation: str


@dataclass(slots=True)
class CallSteps:
    """What is known about call paths, by number."""

    steps: dict[int, Step] = field(default_factory=dict)

    def learn(self, spans: PathSpans, wanted: Set[int]) -> None:
        """Learn those `wanted` numbers, and all above them, that spans of this trace have."""
        repaired, _ = repair(spans)
        tree = build_tree(repaired)
        ids = call_path_ids(repaired, tree, tree.order)
        for index, number in ids.items():
            at = index if number in wanted else -1
            while at >= 0 and ids[at] not in self.steps:
                above = tree.parents[at]
                self.steps[ids[at]] = Step(
                    ids[above] if above >= 0 else TOP, repaired.services[at], repaired.names[at]
                )
                at = above

    def chain(self, number: int, most: int) -> list[Step] | None:
        """The calls from the root to this one, the innermost `most` of them; None if unknown."""
        if number not in self.steps:
            return None
        chain: list[Step] = []
        while number in self.steps and len(chain) < most:
            chain.append(self.steps[number])
            number = chain[-1].above
        return chain[::-1]


@dataclass(slots=True)
class CallNode:
    """One call path. `exclusive_ns` is the path time that its own spans hold, by label in
    `labels`; `inclusive_ns` adds that of everything below."""

    number: int
    above: int
    depth: int
    service: str
    operation: str
    exclusive_ns: int = 0
    inclusive_ns: int = 0
    labels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallTree:
    """Nodes depth first, most inclusive time first. The exclusive times of all nodes and
    `unexplained_ns` (of `unexplained_count` call paths whose chain is not known) add up to all
    path time; so do the inclusive times of the roots and `unexplained_ns`."""

    nodes: Sequence[CallNode]
    unexplained_count: int
    unexplained_ns: int


def call_tree(times: Mapping[int, Mapping[str, int]], known: CallSteps) -> CallTree:
    """The tree over path time by call path number and label."""
    nodes: dict[int, CallNode] = {}
    unexplained: list[int] = []
    for number, labels in times.items():
        if number not in known.steps:
            unexplained.append(sum(labels.values()))
            continue
        _grow(nodes, number, known)
        nodes[number].labels = dict(sorted(labels.items(), key=lambda item: (-item[1], item[0])))
        nodes[number].exclusive_ns = sum(labels.values())
    below: dict[int, list[CallNode]] = {}
    for node in nodes.values():
        below.setdefault(node.above, []).append(node)
    order = list(below.get(TOP, ()))
    for node in order:  # grows while it is walked: parents first
        order.extend(below.get(node.number, ()))
    for node in reversed(order):
        node.inclusive_ns += node.exclusive_ns
        if node.above in nodes:
            nodes[node.above].inclusive_ns += node.inclusive_ns
    placed: list[CallNode] = []
    waiting = _least_first(below.get(TOP, ()))
    while waiting:
        node = waiting.pop()
        if node.above in nodes:
            node.depth = nodes[node.above].depth + 1
        placed.append(node)
        waiting.extend(_least_first(below.get(node.number, ())))
    return CallTree(placed, len(unexplained), sum(unexplained))


def _grow(nodes: dict[int, CallNode], number: int, known: CallSteps) -> None:
    """Add a node and those above it that are missing. Whatever is in `known` is there up to
    its root."""
    while number != TOP and number not in nodes:
        step = known.steps[number]
        nodes[number] = CallNode(number, step.above, 0, step.service, step.operation)
        number = step.above


def _least_first(nodes: Iterable[CallNode]) -> list[CallNode]:
    return sorted(
        nodes, key=lambda n: (-n.inclusive_ns, n.service, n.operation, n.number), reverse=True
    )
