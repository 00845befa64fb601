"""How near `longpole what-if` comes to what was measured: faults of the sample shop, mended.

    python bench/what_if_accuracy.py RECORDINGS [--seeds 1-10] [--only FAULT…] [--write]

For each fault, the requests of its faulty window are timed again with the guilty operations back
at their healthy level, and the predicted p95 of the root operation is compared with the p95 that
was measured while the fault was off. One JSON line each, then a summary; exit code 1 if the median
absolute error is above the gate. Recordings are those that `bench/accuracy.py record` makes.
`--write` puts the table of all faults into docs/what-if.md.

What is honest about it: which operations are guilty comes from `sample-apps/faults.toml`, and all
that a prediction learns of the healthy windows is the median time of exactly these operations.
Nothing is fitted. Of one seed a window holds a dozen or two requests of a root operation, too few
for a p95, so the seeds are pooled: p95 over all faulty windows of a fault, against p95 over all
healthy windows of the same seeds. Every seed weighs the same on both sides: else a slow hour of
the machine that gave a fifth of the faulty requests and a tenth of the healthy ones decided.

Between two windows a shared machine may be half as fast, which no what-if can know. So every
duration, predicted or measured, is divided by how busy its window was: each root operation that
the change does not touch tells its median there by its median in all healthy time, and the median
of what they tell counts, since one of them may do other work during a fault (`process orders`
hears of fewer orders when checkouts hang). `error_uncorrected` is without that. `noise` is what
the same estimate says of two sets of healthy windows, those right before the fault and all
others: no prediction can be expected to be nearer than that. Weights and correction were chosen
by the noise alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import zstandard

from longpole.analyzer.path_spans import PathSpans, spans_of_whole_traces
from longpole.analyzer.what_if.changes import Change, Kind, Scope
from longpole.analyzer.what_if.edits import edits_of
from longpole.analyzer.what_if.loops import PLAIN
from longpole.analyzer.what_if.prediction import predict, retimed_roots
from longpole.analyzer.what_if.timelines import Timelines, timelines
from longpole.formats import files
from longpole.model.clock import SystemClock
from longpole.model.ids import join_trace_id
from longpole.model.query import TraceQuery
from longpole.storage.memory import MemoryStore

GATE = 0.10
FEWEST_TRACES = 8  # of a root operation in a window that tells how busy the machine was
WINDOW_NS = 8_000_000_000
FAULTS = Path(__file__).parent.parent / "sample-apps" / "faults.toml"
HEALTHY = "healthy"
DOCUMENT = Path(__file__).parent.parent / "docs" / "what-if.md"
BEGIN, END = "<!-- accuracy: begin -->", "<!-- accuracy: end -->"

# How each fault is mended: pattern of service, pattern of operation, what is supposed. `cap` and
# `own cap` are at the healthy median of each operation that the pattern names: for a fault that
# meets some of the calls, or each differently. `less` takes from every call what the median lost:
# for a fault that delays every call by the same time (a constant in faults.toml). A cap there
# would also take away what calls differ in when all is well, and predict too short a tail.
REMEDIES: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "payment-slow-query": [("payment-service", "SELECT card_history", "less")],
    "payment-missing-index": [("payment-service", "SELECT card_history", "cap")],
    "payment-slow": [("payment-service", "shop.payment.v1.PaymentService/Charge", "less")],
    "order-n-plus-one": [
        ("order-service", "SELECT order_lines", "once"),
        ("order-service", "SELECT order_lines", "less"),
    ],
    "gateway-sequential-calls": [
        ("gateway", "GET /v1/*", "less"),
        ("gateway", "GET /v1/*", "parallel"),
    ],
    "gateway-deep-chain": [("gateway", "GET /v1/chain", "cap")],
    "order-retry-storm": [("order-service", "POST /v1/reservations", "once")],
    "inventory-pool-exhausted": [("inventory-service", "db.pool.acquire", "cap")],
    "recommendation-cold-start": [("recommendation-service", "load model", "cap")],
    "recommendation-bad-canary": [
        ("recommendation-service", "GET /v1/recommendations", "own cap")
    ],
    # A process that stands still shows in whoever calls it as well.
    "shipping-pause": [("*", "POST /v1/shipments", "own cap")],
    "shipping-cyclic-call": [
        ("shipping-service", "GET /v1/orders/{order_id}", "cap"),
        ("shipping-service", "POST /v1/shipments", "own cap"),
    ],
}  # fmt: skip


BySeed: TypeAlias = dict[int, list[float]]  # durations of one root operation


@dataclass(frozen=True, slots=True)
class Window:
    """At most some seconds of one recording: its traces by root operation."""

    seed: int
    fault: str
    is_faulty: bool
    traces: dict[str, list[PathSpans]]


def traces_of(folder: Path) -> list[PathSpans]:
    """Every trace of one recording."""
    clock = SystemClock()
    store = MemoryStore(clock, settle_after_seconds=0.0, settle_at_most_seconds=0.0)
    body = zstandard.decompress((folder / "traces.pb.zst").read_bytes())
    for telemetry in files.read("traces.pb", body):
        store.submit(telemetry, clock.now_unix_nano()).result()
    found = store.find_traces(TraceQuery(limit=None)).traces
    pairs = zip(
        found.column("trace_hi").to_pylist(), found.column("trace_lo").to_pylist(), strict=True
    )
    whole = store.whole_traces([join_trace_id(hi, lo) for hi, lo in pairs], ())
    traces = [spans for _, spans in spans_of_whole_traces(whole)]
    store.close()
    return traces


def windows_of(folder: Path) -> list[Window]:
    """The windows that the label of one recording names, cut to `WINDOW_NS`."""
    label = json.loads((folder / "label.json").read_text())
    found: dict[tuple[bool, int], Window] = {}
    for spans in traces_of(folder):
        root = _root(spans)
        for is_faulty in (False, True):
            start, end = label.get("faulty" if is_faulty else "healthy", (0, 0))
            if root < 0 or not start <= spans.starts[root] < end:
                continue
            # A rest of less than half a window tells nothing by itself.
            last = max(round((end - start) / WINDOW_NS) - 1, 0)
            place = (is_faulty, min((spans.starts[root] - start) // WINDOW_NS, last))
            new = Window(label["seed"], label["fault"], is_faulty, defaultdict(list))
            window = found.setdefault(place, new)
            window.traces[spans.names[root]].append(spans)
    return list(found.values())


def _root(spans: PathSpans) -> int:
    """The longest span without a parent, -1 without any."""
    roots = [i for i, parent in enumerate(spans.parent_ids) if not parent]
    return max(roots, key=lambda i: spans.ends[i] - spans.starts[i], default=-1)


def changes_of(
    remedies: Iterable[tuple[str, str, str]], healthy: Timelines, faulty: Timelines
) -> list[Change]:
    """The remedies as changes; levels are medians over the spans, 0 without any."""
    changes = []
    names = sorted({*healthy.operation_names, *faulty.operation_names})
    for service, operation, what in remedies:
        if what in ("once", "parallel"):
            changes.append(Change(service, operation, Kind(what)))
            continue
        scope = Scope.OWN if what == "own cap" else Scope.WHOLE
        pattern = Change(service, operation, Kind.CAP)
        for name in names:
            if pattern.matches(*name):
                level = _median(healthy, name, scope)
                if what == "less":
                    lost = max(_median(faulty, name, scope) - level, 0)
                    changes.append(Change(*name, Kind.ADD, -lost))
                    continue
                changes.append(Change(*name, Kind.CAP, level, scope))
    return changes


def _median(lines: Timelines, name: tuple[str, str], scope: Scope) -> int:
    if name not in lines.operation_names:
        return 0
    is_it = lines.operations == lines.operation_names.index(name)
    values = (lines.own if scope is Scope.OWN else lines.base)[is_it]
    return int(np.median(values)) if values.size else 0


@dataclass(frozen=True, slots=True)
class Load:
    """How busy windows were, from root operations that a change does not touch: `usual` has
    their median durations in all healthy time."""

    usual: Mapping[str, float]

    def of(self, window: Window) -> float:
        """1 where everything took as long as usual, 2 where it took twice as long."""
        ratios = [
            float(np.median(_lengths(window.traces[name]))) / usual
            for name, usual in self.usual.items()
            if len(window.traces.get(name, ())) >= FEWEST_TRACES
        ]
        return statistics.median(ratios) if ratios else 1.0

    def corrected(self, windows: Sequence[Window], root: str) -> BySeed:
        """The durations of a root operation, each divided by how busy its window was."""
        found: BySeed = defaultdict(list)
        for window in windows:
            lengths = _lengths(window.traces.get(root, ()))
            found[window.seed] += [length / self.of(window) for length in lengths]
        return found


def compared(fault: str, root: str, windows: Sequence[Window]) -> dict[str, Any]:
    """Prediction and measurement of one fault."""
    healthy = [window for window in windows if not window.is_faulty]
    before = [window for window in healthy if window.fault == fault]
    faulty = [window for window in windows if window.is_faulty and window.fault == fault]
    good = timelines((t for window in healthy for t in window.traces.get(root, ())), PLAIN)
    bad = timelines((t for window in faulty for ts in window.traces.values() for t in ts), PLAIN)
    changes = changes_of(REMEDIES[fault], good, bad)
    outcomes = {outcome.root[1]: outcome for outcome in predict(bad, changes, PLAIN).outcomes}
    untouched = [name for name, o in outcomes.items() if name != root and not o.affected]
    load = Load({name: float(np.median(of)) for name in untouched if (of := _all(healthy, name))})
    predicted: BySeed = defaultdict(list)
    uncorrected: BySeed = defaultdict(list)
    for window in faulty:
        lines = timelines(window.traces.get(root, ()), PLAIN)
        edits, _ = edits_of(lines, changes)
        lengths = retimed_roots(lines, edits, PLAIN)
        predicted[window.seed] += (lengths / load.of(window)).tolist()
        uncorrected[window.seed] += lengths.tolist()
    measured, right_before = load.corrected(healthy, root), load.corrected(before, root)
    others = load.corrected([window for window in healthy if window.fault != fault], root)
    outcome, as_is = outcomes[root], Load({})
    observed = _quantile(as_is.corrected(faulty, root), 95)
    p95, truth = _quantile(predicted, 95), _quantile(measured, 95)
    return {
        "fault": fault,
        "root": root,
        "changes": [f"{c.service}/{c.operation}: {c.words}" for c in changes],
        "faulty_traces": outcome.traces,
        "affected_traces": outcome.affected,
        "healthy_traces": sum(map(len, measured.values())),
        "load": round(statistics.fmean(load.of(window) for window in faulty), 3),
        "faulty_p95_ms": _ms(observed),
        "predicted_p95_ms": _ms(p95),
        "measured_p95_ms": _ms(truth),
        "error": _error(p95, truth),
        "error_uncorrected": _error(
            _quantile(uncorrected, 95), _quantile(as_is.corrected(healthy, root), 95)
        ),
        "noise": _error(_quantile(right_before, 95), _quantile(others, 95)),
        "error_of_mean": _error(_mean(predicted), _mean(measured)),
        "error_of_p50": _error(_quantile(predicted, 50), _quantile(measured, 50)),
        # A part of what the fault cost, which is what mending it is about.
        "error_of_gain": _error(observed - p95, observed - truth),
    }


def _lengths(traces: Iterable[PathSpans]) -> list[int]:
    """How long the roots of these traces took."""
    places = ((spans, _root(spans)) for spans in traces)
    return [spans.ends[root] - spans.starts[root] for spans, root in places]


def _all(windows: Sequence[Window], root: str) -> list[int]:
    return [n for window in windows for n in _lengths(window.traces.get(root, ()))]


def _quantile(lengths: BySeed, percent: int) -> float:
    """The nearest-rank percentile, with the same weight for every seed."""
    known = [of for of in lengths.values() if of]
    if not known:
        return 0.0
    ranked = sorted((length, Fraction(1, len(of))) for of in known for length in of)
    so_far = Fraction(0)
    for length, weight in ranked:
        so_far += weight
        if so_far * 100 >= percent * len(known):
            return length
    return ranked[-1][0]


def _mean(lengths: BySeed) -> float:
    return statistics.fmean(statistics.fmean(of) for of in lengths.values() if of)


def _ms(ns: float) -> float:
    return round(ns / 1e6, 2)


def _error(predicted: float, measured: float) -> float:
    return round(predicted / measured - 1, 4) if measured else float("inf")


def write_table(
    results: Sequence[Mapping[str, Any]], summary: Mapping[str, Any], seeds: str
) -> None:
    """Put the table into docs/what-if.md, between its marks."""
    today = datetime.fromtimestamp(SystemClock().now_unix_nano() / 1e9, UTC).date()
    lines = [
        f"`python bench/what_if_accuracy.py RECORDINGS --seeds {seeds} --write`, {today}, "
        f"{summary['seeds']} seeds:",
        "",
        "| fault | requests | p95 with it, ms | predicted, ms | measured, ms | error | noise "
        "| error uncorrected |",
        "| --- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for row in results:
        lines.append(
            f"| {row['fault']} | {row['faulty_traces']} | {row['faulty_p95_ms']:.0f} "
            f"| {row['predicted_p95_ms']:.1f} | {row['measured_p95_ms']:.1f} | {row['error']:+.1%} "
            f"| {row['noise']:+.1%} | {row['error_uncorrected']:+.1%} |"
        )
    lines += [
        f"| median, absolute | | | | | {summary['median_absolute_error_of_p95']:.1%} "
        f"| {summary['noise']:.1%} | {summary['without_correction']:.1%} |"
    ]
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(before + BEGIN + "\n\n" + "\n".join(lines) + "\n\n" + END + after)


def main() -> int:
    """Print one line for each fault and the summary."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--seeds", default="1-10", help="for example 3 or 1-10")
    parser.add_argument("--only", nargs="*", default=list(REMEDIES), choices=list(REMEDIES))
    parser.add_argument("--write", action="store_true", help="write the table into docs/what-if.md")
    given = parser.parse_args()
    first, _, last = given.seeds.partition("-")
    windows: list[Window] = []
    seeds = 0
    for seed in range(int(first), int(last or first) + 1):
        folders = [given.recordings / f"seed-{seed}" / name for name in (HEALTHY, *given.only)]
        if all((folder / "label.json").exists() for folder in folders):
            seeds += 1
            for folder in folders:
                windows += windows_of(folder)
    if not seeds:
        print(f"no seed of {given.recordings} is recorded whole", file=sys.stderr)
        return 2
    roots = {row["name"]: row["root"] for row in tomllib.loads(FAULTS.read_text())["fault"]}
    results = [compared(fault, roots[fault], windows) for fault in given.only]
    for result in results:
        print(json.dumps(result, ensure_ascii=False), flush=True)

    def median(name: str) -> float:
        return round(statistics.median(abs(result[name]) for result in results), 4)

    error = median("error")
    summary = {
        "faults": len(results),
        "seeds": seeds,
        "median_absolute_error_of_p95": error,
        "without_correction": median("error_uncorrected"),
        "noise": median("noise"),
        "median_absolute_error_of_mean": median("error_of_mean"),
        "median_absolute_error_of_gain": median("error_of_gain"),
        "gate": GATE,
        "is_passed": error <= GATE and len(results) >= 5,
    }
    print(json.dumps(summary))
    if given.write:
        write_table(results, summary, given.seeds)
    return 0 if error <= GATE else 1


if __name__ == "__main__":
    sys.exit(main())
