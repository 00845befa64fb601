"""Values that several queries ask for at one time, calculated once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from longpole.analyzer.promql.expressions import (
    Aggregation,
    Binary,
    Call,
    Expression,
    MatrixSelector,
    Paren,
    Subquery,
    Unary,
    VectorSelector,
)
from longpole.analyzer.promql.vectors import Value, Vector


class KnownValues(Protocol):
    """Values of parts of instant queries, by what they say and the time they are asked at."""

    def find(self, node: Expression, at_ms: int) -> Value | None:
        """The value that another query had for it, if it is still the same."""
        ...

    def keep(self, node: Expression, at_ms: int, value: Value) -> None:
        """Remember a value, which nobody may change from now on."""
        ...


class HeldValues:
    """`KnownValues` in memory, for as long as the series stay what they are. With more than `most`
    numbers in them, no more are kept. Any thread may use it."""

    def __init__(self, most: int) -> None:
        self._held: dict[tuple[Expression, int], Value] = {}
        self._left = most
        self._lock = threading.Lock()

    def find(self, node: Expression, at_ms: int) -> Value | None:
        """See `KnownValues`."""
        return self._held.get((node, at_ms))

    def keep(self, node: Expression, at_ms: int, value: Value) -> None:
        """See `KnownValues`. Native histograms are not kept: what they take is paid for by each
        query that makes them."""
        if not isinstance(value, Vector) or value.histograms is not None:
            return
        value.values.setflags(write=False)
        value.present.setflags(write=False)
        with self._lock:
            self._left -= value.values.size + 1
            if self._left >= 0:
                self._held[node, at_ms] = value


def selectors_of(expression: Expression) -> Sequence[VectorSelector]:
    """All selectors of an expression, in no order."""
    found: list[VectorSelector] = []
    waiting: list[Expression] = [expression]
    while waiting:
        node = waiting.pop()
        match node:
            case VectorSelector():
                found.append(node)
            case MatrixSelector():
                found.append(node.selector)
            case Binary():
                waiting += [node.left, node.right]
            case Aggregation():
                waiting.append(node.inner)
                if node.parameter is not None:
                    waiting.append(node.parameter)
            case Call():
                waiting += node.arguments
            case Subquery() | Paren() | Unary():
                waiting.append(node.inner)
    return found
