"""Whether two answers of `query` or `query_range` say the same, and if not, where they differ."""

from __future__ import annotations

import math
from typing import Any

# Relative to the number; and absolute, for what is left of differences of counts.
_RELATIVE, _ABSOLUTE = 1e-9, 1e-9


def agree(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """ "" for equal answers: the same series in any order, numbers within rounding, and the same
    warnings and infos. An error equals any error of the same type."""
    if theirs.get("status") != "success":
        pair = (ours.get("errorType"), theirs.get("errorType"))
        return "" if pair[0] == pair[1] else f"{pair}: {ours} / {theirs}"
    if ours.get("status") != "success":
        return f"{ours} / {theirs['data']}"
    for said in ("warnings", "infos"):
        mine, other = sorted(ours.get(said, [])), sorted(theirs.get(said, []))
        if mine != [one for one in other if not _is_said_again(one, other)]:
            return f"{said}: {mine} / {other}"
    if ours["data"]["resultType"] != theirs["data"]["resultType"]:
        return f"{ours['data']} / {theirs['data']}"
    results = [document["data"]["result"] for document in (ours, theirs)]
    if ours["data"]["resultType"] in ("vector", "matrix"):
        results = [sorted(result, key=lambda one: str(sorted(one["metric"].items())))
                   for result in results]  # fmt: skip
    return _difference(results[0], results[1], "result")


def _is_said_again(text: str, all_of_them: list[str]) -> bool:
    """Prometheus 3.5 forgets a metric's name after the first step of a range query, and says the
    same of no name."""
    before, name, after = text.partition('for metric name "" ')
    return bool(name) and any(
        one != text and one.startswith(before + 'for metric name "') and one.endswith(after)
        for one in all_of_them
    )


def _difference(ours: Any, theirs: Any, where: str) -> str:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        if ours.keys() != theirs.keys():
            return f"{where}: {list(ours)} / {list(theirs)}"
        return next(filter(None, (_difference(ours[key], theirs[key], f"{where}.{key}")
                                  for key in ours)), "")  # fmt: skip
    if isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            return f"{where}: {len(ours)} / {len(theirs)}: {ours} / {theirs}"
        pairs = enumerate(zip(ours, theirs, strict=True))
        return next(filter(None, (_difference(one, other, f"{where}[{place}]")
                                  for place, (one, other) in pairs)), "")  # fmt: skip
    return "" if _same(ours, theirs) else f"{where}: {ours} / {theirs}"


def _same(ours: Any, theirs: Any) -> bool:
    if ours == theirs:
        return True
    try:
        return math.isclose(float(ours), float(theirs), rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    except (TypeError, ValueError):
        return False
