"""How fast the search page answers: `python bench/search.py --folder DIR` prints JSON lines.

Fills DIR with a store of ten million spans first, when it is not there yet (a quarter of an hour),
then asks for pages and documents in this process, without a network: `wall` is what a reader waits,
`cpu` is processor time over all threads, so that neighbours do not count. Medians of several runs
after one that does not count, with the fastest and the slowest.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx
from bench.analyze import machine
from bench.made_traces.searchable import SPANS, filled_store

from longpole.analyzer.reports.live_report import Watch, look
from longpole.dashboards.answers import Answers
from longpole.dashboards.app import WebSettings, create_app
from longpole.dashboards.pages.result_position import result_position
from longpole.model.clock import ManualClock
from longpole.model.query import TraceQuery
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings

END = 1_790_003_600_000_000_000
SERVICE = '{ resource.service.name = "payment" }'
ROUTE = '{ .http.route = "/api/cart/{id}" && status = error }'
RARE = '{ .customer.id = "c-17" && duration > 800ms }'
NOBODY = '{ name = "nobody" }'
SLOW = "{ trace:duration > 850ms }"
ADDRESSES: dict[str, tuple[str, dict[str, str]]] = {
    "page_newest": ("/traces", {}),
    "page_slowest": ("/traces", {"sort": "slowest"}),
    "page_errors": ("/traces", {"sort": "errors"}),
    "page_by_cause": ("/traces", {"group": "cause"}),
    "page_service": ("/traces", {"q": SERVICE}),
    "page_service_slowest": ("/traces", {"q": SERVICE, "sort": "slowest"}),
    "page_route_and_error": ("/traces", {"q": ROUTE}),
    "page_slow": ("/traces", {"q": SLOW}),
    "page_rare": ("/traces", {"q": RARE}),
    "page_nothing_matches": ("/traces", {"q": NOBODY}),
    "page_older": ("/traces", {"page": "20", "before": str(END)}),
    "list": ("/api/v1/search", {"since": "1h"}),
    "facets": ("/api/v1/search", {"since": "1h", "with": "facets"}),
    "causes": ("/api/v1/search", {"since": "1h", "with": "causes"}),
    "scatter": ("/api/v1/search", {"since": "1h", "with": "scatter"}),
    "completion_field": ("/api/v1/completion", {"since": "1h", "q": "{ http"}),
    "completion_value": ("/api/v1/completion", {"since": "1h", "q": '{ .http.route = "'}),
    "page_live": ("/live", {}),
}


def measured(work: Callable[[], int], runs: int) -> dict[str, Any]:
    """Milliseconds of each kind, and how big the answer was."""
    size = work()
    cpu, wall = [], []
    for _ in range(runs):
        before = time.perf_counter(), time.process_time()
        work()
        wall.append((time.perf_counter() - before[0]) * 1000)
        cpu.append((time.process_time() - before[1]) * 1000)
    found: dict[str, Any] = {"runs": runs, "bytes": size}
    for name, values in (("wall_ms", wall), ("cpu_ms", cpu)):
        found[name] = {
            "median": round(statistics.median(values)),
            "min": round(min(values)),
            "max": round(max(values)),
        }
    return found


def say(figure: str, **values: Any) -> None:
    """One line of the result."""
    print(json.dumps({"figure": figure, **values}), flush=True)


def store_in(folder: Path, traces: int) -> DuckDBStore:
    """The store of that folder, filled when it is new."""
    if not folder.exists():
        before = time.perf_counter()
        filled_store(folder, traces, END).close()
        say("filling", seconds=round(time.perf_counter() - before))
    return DuckDBStore.open_read_only(StoreSettings(data_dir=folder), ManualClock(END))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--traces", type=int, default=1_000_000, help="of ten spans, when filling")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--only", default="", help="figures whose name holds this")
    given = parser.parse_args()
    store = store_in(given.folder, given.traces)
    clock = ManualClock(END)
    status = store.status()
    say("machine", **machine())
    say(
        "stored", spans=sum(status.record_counts.values()), traces=status.settled_traces,
        segments=status.segment_count, bytes=status.segment_bytes, spans_a_trace=SPANS,
    )  # fmt: skip
    app = create_app(store, clock, WebSettings("bench"))

    with asyncio.Runner() as runner:
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://localhost"
        )

        def ask(path: str, parameters: dict[str, str]) -> int:
            answer = runner.run(client.get(path, params=parameters))
            answer.raise_for_status()
            return len(answer.content)

        for name, (path, parameters) in ADDRESSES.items():
            if given.only in name:
                say(name, **measured(lambda p=path, q=parameters: ask(p, q), given.runs))  # type: ignore[misc]
        runner.run(client.aclose())
    answers = Answers(store, clock)
    newest = answers.search({"since": ["1h"]})["traces"][3]["trace_id"]
    asked = {"since": ["1h"], "result": ["4"]}
    if given.only in "result_position":
        say(
            "result_position",
            **measured(lambda: len(repr(result_position(answers, asked, newest))), given.runs),
        )
    if given.only in "live_look":
        say(
            "live_look",
            **measured(lambda: len(look(store, Watch(TraceQuery()), END).rows), given.runs),
        )
    store.close()
    say("load_afterwards", load_1_5_15_minutes=[round(load, 1) for load in os.getloadavg()])


if __name__ == "__main__":
    main()
