"""Which call paths of two compared traces a reader has to see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# A call path that moved by less than this part of the longer trace is left out unless asked for.
UNMOVED_SHARE = 200  # one in so many


def changed_rows(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The nodes that differ in calls, errors or noticeably in time, and all above them."""
    longer = max(report["compared"]["base_ns"], report["compared"]["head_ns"])
    kept: list[Mapping[str, Any]] = []
    above = -1  # a node of a lower depth than this is an ancestor of what was kept last
    for node in reversed(report["nodes"]):
        if node["depth"] < above or _is_changed(node, longer):
            kept.append(node)
            above = node["depth"]
    return kept[::-1]


def _is_changed(node: Mapping[str, Any], longer_ns: int) -> bool:
    base, head = node["base"], node["head"]
    moved = max(abs(node["difference_ns"]), abs(node["inclusive_difference_ns"]))
    return (
        moved * UNMOVED_SHARE > longer_ns
        or node["only_in"] is not None
        or bool(base["errors"]) != bool(head["errors"])
        or abs(head["calls"] - base["calls"]) >= 1
    )
