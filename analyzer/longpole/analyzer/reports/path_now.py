"""What the path of traces consists of now, for where there is nothing to compare it with."""

from __future__ import annotations

from collections import Counter
from typing import Any

from longpole.analyzer.compare.sample import Names
from longpole.analyzer.compare.terms import SideTotals, side_totals
from longpole.analyzer.reports.compare_sides import Side, load_side
from longpole.analyzer.wording import counted, duration_text, named, share_text

# Each is explained anew; what most of the time goes to shows in as many.
MOST_EXPLAINED = 200


def path_now(side: Side, most: int) -> tuple[str, list[dict[str, Any]]]:
    """One sentence, and the `most` operations with the most critical-path time: `service`,
    `operation`, `path_ns` per trace, `share` of all. Empty without traces."""
    names = Names()
    sample = load_side(side, names, MOST_EXPLAINED, None).sample
    if not len(sample):
        return "", []
    totals = side_totals(sample)
    whole = sum(totals.duration_ns.values())
    parts: list[dict[str, Any]] = [
        {
            "service": names.operations[place][0],
            "operation": names.operations[place][1],
            "path_ns": round(path / len(sample)),
            "share": round(path / whole, 6) if whole else 0.0,
        }
        for place, path in _path_ns(totals).items()
        if path > 0
    ]
    parts.sort(key=lambda part: (-part["path_ns"], part["service"], part["operation"]))
    failed = float(sample.is_error.mean())
    told = f"{counted(len(sample), 'trace')} of {duration_text(round(totals.mean_ns))} on average"
    if parts:
        first = parts[0]
        where = f"{named(first['service'])} {named(first['operation'])}"
        told += f", {share_text(first['share'])} of it in {where}"
    if failed:
        told += f"; {share_text(failed)} of them with errors"
    return told, parts[:most]


def _path_ns(totals: SideTotals) -> Counter[int]:
    found: Counter[int] = Counter()
    for operations in totals.operations.values():
        for place, total in operations.items():
            found[place] += sum(total.path)
    return found
