"""How fast a big store is looked up in: `python bench/lookup.py --folder DIR` prints JSON lines.

Fills DIR with a store of a hundred million spans first, when it is not there yet (see
`--traces`; it takes most of an hour and ten gigabytes), spread evenly over ten hours, so that the
last hour has ten million. Then asks in this process: `trace_*` every id once, `asked` times, the
others again and again after one run that does not count. `wall_ms` is what a reader waits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx
from bench.analyze import machine, peak_mib
from bench.made_traces.searchable import SPANS, filled_store

from longpole.dashboards.app import WebSettings, create_app
from longpole.model.clock import ManualClock
from longpole.model.columns import RED_STEP_NS
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings
from longpole.storage.red_answers import RedQuery

END = 1_790_003_600_000_000_000
HOURS = 10.0
HOUR_NS = 3_600_000_000_000
LAST_HOUR = TimeRange(END - HOUR_NS, END)
STEP_NS = 6 * RED_STEP_NS


def equals(key: str, value: str) -> TraceQuery:
    """Traces of the last hour with a span that has this attribute."""
    return TraceQuery((Condition(Field.ANY_ATTRIBUTE, Comparison.EQ, value, key),), LAST_HOUR)


def of_store(store: DuckDBStore) -> dict[str, Callable[[], object]]:
    """What is asked of the store itself."""
    steps = TimeRange(LAST_HOUR.start_unix_nano // STEP_NS * STEP_NS, END // STEP_NS * STEP_NS)
    return {
        "attribute_common": lambda: store.find_traces(equals("http.route", "/api/cart/{id}")),
        "attribute_rare": lambda: store.find_traces(equals("customer.id", "c-17")),
        "attribute_of_resource": lambda: store.find_traces(equals("host.name", "node-3")),
        "attribute_nobody_has": lambda: store.find_traces(equals("customer.id", "nobody")),
        "newest_traces": lambda: store.find_traces(TraceQuery()),
        "service_list": lambda: store.services(TimeRange()),
        "service_list_last_hour": lambda: store.services(LAST_HOUR),
        "attribute_keys": store.attribute_keys,
        "red_last_hour": lambda: store.red_series(RedQuery(steps, STEP_NS, with_buckets=True)),
    }


# The same as a browser asks it, and what only exists there.
ADDRESSES: dict[str, tuple[str, dict[str, str]]] = {
    "http_attribute_rare": ("/api/v1/search", {"since": "1h", "q": '{ .customer.id = "c-17" }'}),
    "http_newest_traces": ("/api/v1/search", {"since": "1h"}),
    "http_completion_key": ("/api/v1/completion", {"since": "1h", "q": "{ http"}),
    "http_completion_value": ("/api/v1/completion", {"since": "1h", "q": '{ .http.route = "'}),
    "http_services": ("/api/v1/services", {"since": "1h"}),
}


def milliseconds(taken: list[float]) -> dict[str, float]:
    """Percentiles, in milliseconds, of seconds."""
    places = statistics.quantiles(taken, n=100, method="inclusive")
    shown = {"median": places[49], "p95": places[94], "p99": places[98], "max": max(taken)}
    return {name: round(value * 1000, 2) for name, value in shown.items()}


def timed(works: Iterable[Callable[[], object]]) -> tuple[dict[str, Any], list[object]]:
    """How long each of them took, and what it answered."""
    wall, answers, before_cpu = [], [], time.process_time()
    for work in works:
        before = time.perf_counter()
        answers.append(work())
        wall.append(time.perf_counter() - before)
    cpu = (time.process_time() - before_cpu) / len(wall)
    found = {"asked": len(wall), "wall_ms": milliseconds(wall), "cpu_ms": round(cpu * 1000, 2)}
    return found, answers


def known_ids(store: DuckDBStore, count: int, seed: int) -> list[int]:
    """Ids drawn from everything that is stored, in an order that has nothing to do with time."""
    drawn = store.sql(
        f"SELECT trace_id FROM traces USING SAMPLE reservoir({count} ROWS) REPEATABLE ({seed})",
        timeout_seconds=600.0,
    ).rows
    ids = [int(text, 16) for text in drawn.column(0).to_pylist()]
    random.Random(seed).shuffle(ids)
    return ids


def say(figure: str, **values: Any) -> None:
    """One line of the result."""
    print(json.dumps({"figure": figure, **values}), flush=True)


def opened(folder: Path, traces: int) -> DuckDBStore:
    """The store of that folder, filled when it is new."""
    if not folder.exists():
        before = time.perf_counter(), time.process_time()
        filled_store(folder, traces, END, HOURS).close()
        say(
            "filling", seconds=round(time.perf_counter() - before[0]),
            cpu_seconds=round(time.process_time() - before[1]), peak_mib=peak_mib(),
        )  # fmt: skip
    before_opening = time.perf_counter()
    store = DuckDBStore.open_read_only(StoreSettings(data_dir=folder), ManualClock(END))
    status = store.status()
    say(
        "stored", spans=sum(status.record_counts.values()), traces=status.settled_traces,
        spans_a_trace=SPANS, segments=status.segment_count, bytes=status.segment_bytes,
        opened_in_seconds=round(time.perf_counter() - before_opening, 2),
    )  # fmt: skip
    return store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--traces", type=int, default=10_000_000, help="of ten spans, when filling")
    parser.add_argument("--ids", type=int, default=300, help="trace ids to look up")
    parser.add_argument("--runs", type=int, default=20, help="of every other question")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    say("machine", **machine())
    store = opened(given.folder, given.traces)
    ids = known_ids(store, given.ids, given.seed)
    store.trace(ids[0])  # the first question of a process opens files

    figures, found = timed(lambda i=i: store.trace(i) for i in ids[1:])  # type: ignore[misc]
    if None in found:
        raise SystemExit("a trace that is stored was not found by its id")
    say("trace_known", **figures)
    draw = random.Random(given.seed)
    strangers = [draw.getrandbits(128) for _ in ids]
    figures, found = timed(lambda i=i: store.trace(i) for i in strangers)  # type: ignore[misc]
    if any(found):
        raise SystemExit("a trace that nobody sent was found")
    say("trace_unknown", **figures)

    for name, work in of_store(store).items():
        work()
        say(name, **timed([work] * given.runs)[0])

    app = create_app(store, ManualClock(END), WebSettings("bench"))
    with asyncio.Runner() as runner:
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://localhost"
        )

        def ask(path: str, parameters: dict[str, str]) -> None:
            runner.run(client.get(path, params=parameters)).raise_for_status()

        ask("/api/v1/search", {"since": "1h"})
        works = [lambda i=i: ask(f"/api/v1/traces/{i:032x}", {}) for i in ids[1:]]  # type: ignore[misc]
        say("http_trace_report", **timed(works)[0])
        for name, (path, parameters) in ADDRESSES.items():
            ask(path, parameters)
            works = [lambda p=path, q=parameters: ask(p, q)] * given.runs  # type: ignore[misc]
            say(name, **timed(works)[0])
        runner.run(client.aclose())
    say("memory", peak_mib=peak_mib())
    store.close()


if __name__ == "__main__":
    main()
