"""The report of what changed between two sides: terms that add up, what is real, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from longpole.analyzer.compare.band import Statistic, in_band, percentile_ns
from longpole.analyzer.compare.columns import Scope
from longpole.analyzer.compare.gates import Gate, GateResult, gate_result
from longpole.analyzer.compare.noise import Change, Changes, changes
from longpole.analyzer.compare.sample import Names
from longpole.analyzer.compare.terms import (
    SideTotals,
    Term,
    TermKind,
    side_totals,
    terms,
    whole_nanoseconds,
)
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.reports.compare_causes import causes_of
from longpole.analyzer.reports.compare_sides import DEFAULT_SAMPLE, LoadedSide, Side, load_side
from longpole.analyzer.reports.compare_verdict import guilty_changes, kind_in_words, verdict_line
from longpole.analyzer.traceql import format_query

# Shuffles and bootstraps start from this, so that the same question has the same answer.
SEED = 20_240_229


def compare_report(
    base: Side,
    head: Side,
    *,
    statistic: Statistic = Statistic.MEAN,
    gates: Sequence[Gate] = (),
    most: int = DEFAULT_SAMPLE,
    options: PathOptions | None = None,
    seed: int = SEED,
) -> dict[str, Any]:
    """Head against base, at most `most` traces of each, explained as they are now.

    `terms` add up to `compared.difference_ns` to the nanosecond. What is noise is said to be;
    attributes are only looked for where an operation really changed.
    """
    rng = np.random.default_rng(seed)
    names = Names()
    sides = [load_side(side, names, most, options) for side in (base, head)]
    samples = [side.sample for side in sides]
    counts = len(samples[0]), len(samples[1])
    found = changes(samples[0], samples[1], names.operations, rng)
    bands = [in_band(sample, statistic) for sample in samples]
    totals = [side_totals(band) for band in bands]
    means = round(totals[0].mean_ns), round(totals[1].mean_ns)
    split = terms(totals[0], totals[1], names.operations) if all(counts) else []
    amounts = whole_nanoseconds([term.difference_ns for term in split], means[1] - means[0])
    shares = _error_share(sides[0]), _error_share(sides[1])
    told = [
        replace(term, difference_ns=Fraction(amount))
        for term, amount in zip(split, amounts, strict=True)
    ]
    what = "mean" if statistic is Statistic.MEAN else f"around {statistic}"
    guilty = guilty_changes(found)
    return {
        "statistic": str(statistic),
        "base": _side(sides[0]),
        "head": _side(sides[1]),
        "compared": {
            "base_traces": len(bands[0]),
            "head_traces": len(bands[1]),
            "base_ns": means[0],
            "head_ns": means[1],
            "difference_ns": means[1] - means[0],
        },
        "is_different": bool(found.real),
        "is_enough": found.is_enough,
        "detectable_share": found.detectable_share,
        "verdict_line": verdict_line(found, told, means, shares, counts, what),
        "changes": [_change(change) for change in _told(found)],
        "terms": [_term(term, amount, found) for term, amount in zip(split, amounts, strict=True)],
        "operations": _operations(totals, names) if all(counts) else [],
        "attributes": causes_of(guilty, sides[0], sides[1], names, rng),
        "gates": [
            _gate(gate_result(gate, samples[0], samples[1], names.operations, found))
            for gate in gates
        ],
        "notices": _notices(sides),
    }


def _notices(sides: Sequence[LoadedSide]) -> list[str]:
    notices = list(dict.fromkeys(notice for side in sides for notice in side.notices))
    both = {*sides[0].sample.trace_ids} & {*sides[1].sample.trace_ids}
    if both:
        matching = "1 trace matches" if len(both) == 1 else f"{len(both):,} traces match"
        notices.append(f"{matching} on both sides")
    for name, side in zip(("base", "head"), sides, strict=True):
        if len(side.sample) < side.matched:
            notices.append(
                f"{name}: {len(side.sample):,} of {side.matched:,} matching traces are used, "
                "drawn by their ids; --sample takes more"
            )
    return notices


def _side(side: LoadedSide) -> dict[str, Any]:
    sample = side.sample
    totals = side_totals(sample)
    return {
        "query": format_query(side.side.query),
        "coverage": {
            "matched": side.matched,
            "used": len(sample),
            "incomplete": side.incomplete,
            "late": side.late,
        },
        "mean_ns": round(totals.mean_ns) if len(sample) else None,
        "p50_ns": percentile_ns(sample.duration_ns, 50),
        "p95_ns": percentile_ns(sample.duration_ns, 95),
        "p99_ns": percentile_ns(sample.duration_ns, 99),
        "error_share": round(_error_share(side), 6),
    }


def _error_share(side: LoadedSide) -> float:
    return float(side.sample.is_error.mean()) if len(side.sample) else 0.0


def _told(found: Changes) -> list[Change]:
    """The real changes, each operation once."""
    whole = [change for change in found.real if change.scope is not Scope.OPERATION]
    return [*whole, *guilty_changes(found)]


def _change(change: Change) -> dict[str, Any]:
    is_share = change.scope in (Scope.TAIL, Scope.ERRORS)
    unit = "share" if is_share else "ns"
    figures = {"effect": change.effect, "typical": change.typical, "low": change.low,
               "high": change.high}  # fmt: skip
    pair = (None, None)
    return {
        "scope": str(change.scope),
        **dict(zip(("service", "operation"), change.operation or pair, strict=True)),
        **dict(zip(("root_service", "root_operation"), change.root or pair, strict=True)),
        "unit": unit,
        **{name: round(value, 6) if is_share else round(value) for name, value in figures.items()},
        "p_value": change.p_value,
        "is_worse": change.is_worse,
    }


def _term(term: Term, amount: int, found: Changes) -> dict[str, Any]:
    if term.kind is TermKind.MIX:
        is_real = any(change.scope is Scope.MIX for change in found.real)
    else:
        is_real = any(change.operation == term.operation for change in found.real)
    return {
        "kind": str(term.kind),
        "words": kind_in_words(term.kind, amount >= 0),
        "service": term.operation[0],
        "operation": term.operation[1],
        "difference_ns": amount,
        "is_real": is_real,
    }


def _operations(totals: Sequence[SideTotals], names: Names) -> list[dict[str, Any]]:
    """Path time and calls of every operation in the mean trace of each side, most time first."""
    figures: dict[int, list[float]] = {}
    for side, of in enumerate(totals):
        count = sum(of.traces.values())
        for operations in of.operations.values():
            for place, total in operations.items():
                known = figures.setdefault(place, [0.0] * 4)
                known[side] += sum(total.path) / count
                known[2 + side] += total.calls / count
    rows = [
        {
            "service": names.operations[place][0],
            "operation": names.operations[place][1],
            "base_ns": round(known[0]),
            "head_ns": round(known[1]),
            "base_calls": round(known[2], 6),
            "head_calls": round(known[3], 6),
        }
        for place, known in figures.items()
    ]
    return sorted(
        rows,
        key=lambda row: (-max(row["base_ns"], row["head_ns"]), row["service"], row["operation"]),
    )


def _gate(result: GateResult) -> dict[str, Any]:
    gate = result.gate
    is_share = gate.statistic is None

    def shown(value: float | None, is_plain: bool) -> float | int | None:
        if value is None or value == float("inf"):
            return None
        return round(value, 6) if is_plain else round(value)

    return {
        "condition": gate.text,
        "base": shown(result.base, is_share),
        "head": shown(result.head, is_share),
        "change": shown(result.change, gate.is_relative),
        "limit": shown(gate.limit, gate.is_relative),
        "unit": "share" if gate.is_relative else "ns",
        "outcome": str(result.outcome),
        "reason": result.reason,
    }
