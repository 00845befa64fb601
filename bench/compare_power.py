"""How good a comparison is at telling changes from noise, as JSON.

    python bench/compare_power.py DIRECTORY…  [--runs 100] [--traces 500] [--share 0.05]

Each directory holds a recording of healthy traffic (`traces.pb.zst`, or any file that `--from`
reads). Each run draws two samples from all of them, with replacement, and compares them (`equal`:
a difference that is claimed is false); then every trace of the second gets a path that is longer by
`--share`, through calls of one operation (`planted`). Without a directory, traces are made.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from longpole.analyzer.compare.cells import trace_cells
from longpole.analyzer.compare.sample import TraceCells
from longpole.analyzer.reports.unsettled import explanations
from longpole.formats import files
from longpole.model.clock import SystemClock
from longpole.model.ids import join_trace_id
from longpole.model.query import TraceQuery
from longpole.storage.memory import MemoryStore
from tests.analyzer.compare.made_traces import heavy_tailed
from tests.analyzer.compare.power import power


def recorded(directory: Path) -> list[TraceCells]:
    """Every trace of a recording, explained."""
    clock = SystemClock()
    store = MemoryStore(clock, settle_after_seconds=0.0, settle_at_most_seconds=0.0)
    paths = sorted(directory.glob("traces*")) if directory.is_dir() else [directory]
    for path in paths:
        for telemetry in files.read(path.name, path.read_bytes()):
            store.submit(telemetry, clock.now_unix_nano()).result()
    store.leave_unexplained()
    found = store.find_traces(TraceQuery(limit=None)).traces
    pairs = zip(found["trace_hi"].to_pylist(), found["trace_lo"].to_pylist(), strict=True)
    ids = [join_trace_id(hi, lo) for hi, lo in pairs]
    cells = [trace_cells(e) for e in explanations(store, ids, None) if e.root >= 0]
    store.close()
    return cells


def drawing(
    traces: Sequence[TraceCells],
) -> Callable[[int, np.random.Generator], Sequence[TraceCells]]:
    """Draws from these with replacement, or makes some when there are none."""

    def draw(count: int, rng: np.random.Generator) -> Sequence[TraceCells]:
        if not traces:
            return [heavy_tailed(number, rng) for number in range(count)]
        return [traces[place] for place in rng.integers(len(traces), size=count).tolist()]

    return draw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directories", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--traces", type=int, default=500)
    parser.add_argument("--share", type=float, default=0.05)
    asked = parser.parse_args()
    traces = [one for directory in asked.directories for one in recorded(directory)]
    started = time.perf_counter()
    seen = power(drawing(traces), asked.runs, asked.traces, asked.share)
    seconds = time.perf_counter() - started
    print(
        json.dumps(
            {
                "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python "
                f"{platform.python_version()}, NumPy {np.__version__}",
                "recorded_traces": len(traces),
                "traces_a_side": asked.traces,
                "planted_share": asked.share,
                "runs": seen.runs,
                "equal_called_different": seen.false_claims,
                "planted_found": seen.found,
                "planted_operation_named": seen.named,
                "seconds_a_comparison": round(seconds / (2 * asked.runs), 3),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
