"""How long the analyzer takes: `python bench/critical_path.py` prints medians as JSON.

Spans are built before the clock starts; what is measured is `explain`, everything from
columns of spans to the labelled path, and `settle_once` for many small traces.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from longpole.analyzer.explain import explain
from longpole.analyzer.settle import settle_once
from longpole.model.clock import ManualClock
from longpole.model.span import SpanKind
from longpole.model.trace import Trace
from tests.analyzer.arrow_traces import ListFeed
from tests.analyzer.span_builders import span, trace

RUNS = 5


def flat_sequential(count: int) -> Trace:
    """One root with children one after the other."""
    spans = [span(i, 1, 10 * i, 10 * i + 7) for i in range(2, count + 1)]
    return trace([span(1, 0, 0, 11 * count), *spans])


def flat_parallel(count: int) -> Trace:
    """One root whose children all overlap."""
    spans = [span(i, 1, i, 5 * count + i) for i in range(2, count + 1)]
    return trace([span(1, 0, 0, 10 * count), *spans])


def flat_calls(count: int) -> Trace:
    """One root that makes the same call again and again."""
    spans = [
        span(
            i, 1, 10 * i, 10 * i + 7, name="GET", kind=SpanKind.CLIENT,
            attributes={"url.full": f"http://price/items/{i}"},
        )
        for i in range(2, count + 1)
    ]  # fmt: skip
    return trace([span(1, 0, 0, 11 * count), *spans])


def chain(depth: int) -> Trace:
    """Every span has one child."""
    return trace(span(i, i - 1, i, 3 * depth - i) for i in range(1, depth + 1))


def small_traces(count: int) -> list[Trace]:
    """Traces of ten spans."""
    one = [span(1, 0, 0, 1000), *(span(i, 1, 90 * i, 90 * i + 80) for i in range(2, 11))]
    return [Trace(number, tuple(one)) for number in range(1, count + 1)]


def seconds(work: Callable[[], object]) -> float:
    """The median of several runs, in processor time, so that neighbours do not count."""
    taken = []
    for _ in range(RUNS):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return round(statistics.median(taken), 4)


def main() -> None:
    shapes: dict[str, tuple[Callable[[int], Trace], int]] = {
        "flat_sequential_100k": (flat_sequential, 100_000),
        "flat_parallel_100k": (flat_parallel, 100_000),
        "flat_calls_100k": (flat_calls, 100_000),
        "chain_20k": (chain, 20_000),
        "chain_100k": (chain, 100_000),
    }
    explained = {}
    for name, (build, count) in shapes.items():
        given = build(count)  # one at a time: what is alive slows the garbage collector down
        explained[name] = seconds(lambda given=given: explain(given))  # type: ignore[misc]
    many = small_traces(2_000)
    settled = seconds(lambda: settle_once(ListFeed(many), ManualClock()))
    result = {
        "machine": {
            "cpu": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "runs": RUNS,
        "explain_seconds": explained,
        "settle_2000_traces_of_10_spans_seconds": settled,
        "settle_us_per_span": round(settled / 20_000 * 1e6, 2),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
