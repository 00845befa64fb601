"""How fast traces are explained: `python bench/analyze.py` prints one JSON line per figure.

One process, medians over several runs with the fastest and the slowest. `cpu` is processor time
over all threads, so that neighbours do not count; `wall` is what a person waits. Spans per second
per core come from processor time. Shapes of one big trace run in a process of their own, since
peak memory never sinks. The lines `calibration` say how fast the machine was before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import pyarrow as pa
from bench.made_traces import stored
from bench.made_traces.batches import deep, flat, random_tree, small_traces

from longpole.analyzer.columnar.derived import derived_tables
from longpole.analyzer.columnar.loops import compile_all
from longpole.analyzer.columnar.paths import batch_paths
from longpole.analyzer.columnar.readiness import CORE
from longpole.analyzer.critical_path import PathOptions, walk, windows
from longpole.analyzer.explain import explain
from longpole.analyzer.garbage_pause import garbage_pause
from longpole.analyzer.labels import labelled
from longpole.analyzer.path_spans import PathSpans, spans_of_whole_traces
from longpole.analyzer.repair import repair
from longpole.analyzer.settle import settle_once
from longpole.analyzer.tree import build_tree
from longpole.model.clock import ManualClock
from longpole.storage.ports import WholeTraces

SHAPES: dict[str, Callable[[], WholeTraces]] = {
    "flat_1m": lambda: flat(1_000_000),
    "deep_100k": lambda: deep(100_000),
    "random_100k": lambda: random_tree(100_000),
}


def say(figure: str, **values: Any) -> None:
    """One line of the result."""
    print(json.dumps({"figure": figure, **values}), flush=True)


def measured(work: Callable[[], object], runs: int, spans: int = 0) -> dict[str, Any]:
    """Seconds of each kind, after one run that does not count."""
    work()
    cpu, wall = [], []
    for _ in range(runs):
        before = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - before[0])
        cpu.append(time.process_time() - before[1])
    found: dict[str, Any] = {
        f"{name}_seconds": {
            "median": round(statistics.median(values), 4),
            "min": round(min(values), 4),
            "max": round(max(values), 4),
        }
        for name, values in (("wall", wall), ("cpu", cpu))
    }
    if spans:
        found["spans"] = spans
        found["spans_per_second_per_core"] = round(spans / statistics.median(cpu))
    return {"runs": runs, **found}


def plain_path(sent: PathSpans, options: PathOptions) -> object:
    """What the columnar core does, by the plain implementation: no verdict."""
    spans, _ = repair(sent)
    tree = build_tree(spans)
    found = windows(spans, tree, options)
    return labelled(spans, tree, found, walk(tree.primary, found))


def peak_mib() -> int:
    """The most memory that this program ever had, in MiB; without what its parent had."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def machine() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was."""
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = models[0].split(":", 1)[1].strip() if models else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "pyarrow": pa.__version__,
        "load_1_5_15_minutes": [round(load, 1) for load in os.getloadavg()],
    }


def additions_per_second() -> dict[str, int]:
    """How many additions a bare Python loop does in a second of processor time, of ten runs: what
    to divide figures of other machines and hours by."""
    count, taken = 2_000_000, []
    for _ in range(10):
        before, total = time.process_time(), 0
        for number in range(count):
            total += number
        taken.append(time.process_time() - before)
    seconds = {"median": statistics.median(taken), "min": max(taken), "max": min(taken)}
    return {name: round(count / each) for name, each in seconds.items()}


def shape(name: str, runs: int) -> None:
    """One big trace, in this process."""
    whole = SHAPES[name]()
    compile_all()
    before = peak_mib()
    figures = measured(lambda: batch_paths(whole), runs, whole.spans.num_rows)
    say(f"columnar_{name}", **figures, peak_mib_before=before, peak_mib=peak_mib())


def compiling() -> None:
    """From nothing, and from a filled cache; each in a process of its own."""
    with tempfile.TemporaryDirectory() as cache:
        taken = {}
        for name in ("from_nothing", "from_cache"):
            before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            subprocess.run(
                [sys.executable, "-m", "longpole.analyzer.columnar"],
                env={**os.environ, "NUMBA_CACHE_DIR": cache}, check=True,
            )  # fmt: skip
            children = resource.getrusage(resource.RUSAGE_CHILDREN)
            taken[name] = {
                "wall_seconds": round(time.perf_counter() - before[0], 2),
                "cpu_seconds": round(children.ru_utime - before[1], 2),
            }
    say("compile", **taken)


def in_memory(whole: WholeTraces, runs: int) -> None:
    """The columnar core and the plain one, from columns in memory."""
    spans = whole.spans.num_rows
    say("columnar_core", **measured(lambda: batch_paths(whole), runs, spans))
    paths = batch_paths(whole)
    verdicts = [""] * len(whole.traces)
    say(
        "columnar_derived_rows",
        **measured(lambda: derived_tables(paths, verdicts, {}), runs, spans),
    )
    some = stored.first_of(whole, 5_000)
    few = some.spans.num_rows
    lists = [spans for _, spans in spans_of_whole_traces(some)]
    usual = PathOptions()
    with garbage_pause(few):
        say("plain_path", **measured(lambda: [plain_path(one, usual) for one in lists], runs, few))
        say("plain_explain", **measured(lambda: [explain(one) for one in lists], runs, few))
    feed = stored.RepeatingFeed(some)
    # As in a server, which has its compiled loops ready a quarter of a minute after its start.
    CORE.start()
    assert CORE.wait(120.0)
    say("settle_once", **measured(lambda: settle_once(feed, ManualClock()), runs, few))
    hurried = measured(lambda: settle_once(feed, ManualClock(), hurry_from=1), runs, few)
    say("settle_once_in_a_hurry", **hurried)


def from_segments(runs: int, traces: int) -> None:
    """Re-analysis from sealed segments: reading whole traces, then their paths."""
    with tempfile.TemporaryDirectory() as folder:
        store, ids = stored.sealed_store(Path(folder), small_traces(traces))
        try:
            reading = measured(lambda: stored.read(store, ids), runs, traces * 10)
            say("reading_sealed_segments", **reading)
            both = measured(lambda: batch_paths(stored.read_paths(store, ids)), runs, traces * 10)
            say("columnar_from_sealed_segments", **both)
        finally:
            store.close()


def over_stored(runs: int, traces: int) -> None:
    """The totals over stored derived rows."""
    with tempfile.TemporaryDirectory() as folder:
        store = stored.explained_store(Path(folder), traces)
        try:
            figures = measured(lambda: stored.aggregate(store), runs)
            coverage = stored.aggregate(store)["coverage"]
            say("aggregate_over_stored_traces", traces=coverage["used"], **figures)
        finally:
            store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--traces", type=int, default=100_000, help="of ten spans, in memory")
    parser.add_argument("--aggregated", type=int, default=1_000_000, help="stored; 0: none")
    parser.add_argument("--shape", choices=SHAPES, help="this one alone")
    parser.add_argument("--only-aggregate", action="store_true")
    parser.add_argument("--only-segments", action="store_true")
    given = parser.parse_args()
    if given.shape:
        shape(given.shape, given.runs)
        return
    if given.only_aggregate:
        compile_all()
        over_stored(given.runs, given.aggregated)
        return
    if given.only_segments:
        compile_all()
        from_segments(given.runs, given.traces)
        return
    say("machine", **machine())
    say("calibration", additions_per_second=additions_per_second())
    compiling()
    compile_all()
    in_memory(small_traces(given.traces), given.runs)
    for name in SHAPES:
        command = [sys.executable, __file__, "--shape", name, "--runs", str(given.runs)]
        subprocess.run(command, check=True)
    from_segments(given.runs, given.traces)
    if given.aggregated:
        over_stored(given.runs, given.aggregated)
    say("calibration_afterwards", additions_per_second=additions_per_second())
    say("machine_afterwards", **machine())


if __name__ == "__main__":
    main()
