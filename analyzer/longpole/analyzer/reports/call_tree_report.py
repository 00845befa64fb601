"""The call-path tree over all matching traces, for tables and flame graphs."""

from __future__ import annotations

from typing import Any

from longpole.analyzer.call_tree import CallTree, call_tree
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.path_groups import CALL_PATH
from longpole.analyzer.reports.gathered_times import gathered_times
from longpole.analyzer.reports.path_times_report import head_of, steps_of
from longpole.model.query import TraceQuery
from longpole.storage.ports import TraceReader


def call_tree_report(
    reader: TraceReader, query: TraceQuery, options: PathOptions | None = None
) -> dict[str, Any]:
    """Path time of every matching trace by call path, depth first, most inclusive time first.

    The `exclusive_ns` of all nodes and `unexplained.critical_ns` add up to
    `roots.duration_sum_ns`; so do the `inclusive_ns` of the nodes of depth 0 and the latter.
    A node's parent is the last one before it of a depth one less.
    """
    gathered = gathered_times(reader, query, (CALL_PATH, "label"), options)
    times = gathered.times
    by_path: dict[int, dict[str, int]] = {}
    for (number, label), cells in times.groups.items():
        assert isinstance(number, int)
        by_path.setdefault(number, {})[str(label)] = sum(cells.critical_ns)
    tree = call_tree(by_path, steps_of(reader, times))
    return {**head_of(query, gathered), **_document(tree)}


def _document(tree: CallTree) -> dict[str, Any]:
    return {
        "tree": [
            {
                "call_path_id": f"{node.number:016x}",
                "depth": node.depth,
                "service": node.service,
                "operation": node.operation,
                "inclusive_ns": node.inclusive_ns,
                "exclusive_ns": node.exclusive_ns,
                "labels": dict(node.labels),
            }
            for node in tree.nodes
        ],
        "unexplained": {
            "call_path_count": tree.unexplained_count,
            "critical_ns": tree.unexplained_ns,
        },
    }
