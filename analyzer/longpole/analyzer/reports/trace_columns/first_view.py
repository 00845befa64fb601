"""First view: which rows are open when a trace is shown, so that its slow row is on the screen
whether it has fifty spans or a million. Depth says nothing of time, so it does not count."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from longpole.analyzer.reports.trace_columns.preorder import Preorder

Ints = npt.NDArray[np.int64]

SHOWN_WHOLE = 40  # rows that fit into a view or two
MOST_ERRORS = 20
PATH_SHARE = 0.02  # of the root's duration on the path makes a row worth seeing


def opened(
    order: Preorder,
    verdict_rows: Iterable[int],
    failed: npt.NDArray[np.bool_],
    critical_ns: Ints,
    length_ns: int,
) -> list[int]:
    """The rows to expand, ascending: everything above the rows of the verdict, the first errors,
    and what holds a fair share of the path. Of a small trace every row that has children."""
    if order.parents.size <= SHOWN_WHOLE:
        return np.flatnonzero(order.subtrees > 1).tolist()
    least = max(1, round(PATH_SHARE * length_ns))
    wanted = [
        *verdict_rows,
        *np.flatnonzero(failed)[:MOST_ERRORS].tolist(),
        *np.flatnonzero(critical_ns >= least).tolist(),
    ]
    parents = order.parents
    rows = {0} if order.subtrees[0] > 1 else set()
    for row in wanted:
        above = int(parents[row])
        while above >= 0 and above not in rows:
            rows.add(above)
            above = int(parents[above])
    return sorted(rows)
