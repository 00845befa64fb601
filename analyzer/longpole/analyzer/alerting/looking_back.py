"""How far back an expression looks: what made it true began within that time."""

from __future__ import annotations

from longpole.analyzer.promql.checking import children
from longpole.analyzer.promql.expressions import (
    Expression,
    MatrixSelector,
    Subquery,
    VectorSelector,
)


def shortest_range_ms(expression: Expression) -> int:
    """The shortest range among its selectors, those of subqueries around it added; 0 when it only
    looks at the latest samples. Of several windows the shortest says what is true now."""
    found: list[int] = []
    waiting: list[tuple[Expression, int]] = [(expression, 0)]
    while waiting:
        node, before_ms = waiting.pop()
        match node:
            case VectorSelector():
                if before_ms:
                    found.append(before_ms)
            case MatrixSelector():
                found.append(before_ms + node.range_ms)
            case Subquery():
                waiting.append((node.inner, before_ms + node.range_ms))
            case _:
                waiting += [(one, before_ms) for one in children(node)]
    return min(found, default=0)
