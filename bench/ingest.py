"""How fast telemetry is taken in: `python bench/ingest.py` prints one JSON line per run.

Starts a server in a folder of its own, loads it from several processes as hard as it takes it,
lets it settle and seal, and reads its segments record by record: everything acknowledged has to
be there exactly once. `--endpoint` loads any other OTLP receiver instead, of which only the rate
and, with `--pid`, processor time and memory are known.

Client and server share the machine, so both their processor times are told.
`acked_spans_per_second` counts what was acknowledged within the time of the run.
`server_cpu_us_per_span` is from the first to the last request; `..._all_done` goes on until all
traces are explained.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import signal
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from bench.ingesting.exactly_once import on_disk
from bench.ingesting.probe import Probe
from bench.ingesting.server import ServerUnderLoad, cpu_seconds, peak_bytes

from longpole.cli.loadgen.plan import COMPRESSIONS, PROTOCOLS, Plan
from longpole.cli.loadgen.run import Load, default_workers, run
from longpole.model.clock import SystemClock
from longpole.model.signals import Signal

SETTLE_SECONDS = 120.0


# What `--all` runs beside the plan of the arguments itself.
VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"protocol": "http/protobuf"},
    {"protocol": "http/json"},
    {"compression": "gzip"},
    {"protocol": "http/protobuf", "compression": "gzip"},
    {"batch": 8, "connections": 1000},
    {"signal": Signal.LOGS},
    {"signal": Signal.METRICS, "attributes": 4},
)


def main() -> None:
    """One run as the arguments say, or one for each variant of it."""
    given = arguments()
    # So that a run that is stopped takes its server along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    plan = Plan(
        given.endpoint.removeprefix("http://"),
        Signal(given.signal),
        given.protocol,
        given.compression,
        given.batch,
        given.attributes,
        given.connections,
        min(given.workers, given.connections),
        given.rate,
        given.seconds,
    )
    is_sound = True
    for _ in range(given.runs):
        for variant in VARIANTS if given.all else VARIANTS[:1]:
            seed = random.SystemRandom().randrange(1 << 18)
            document = one_run(replace(plan, seed=seed, **variant), given)
            is_sound = is_sound and not (document["lost_spans"] or document["doubled_spans"])
            if not given.json:
                for key, value in document.items():
                    print(f"{key}: {value}", file=sys.stderr)
            print(json.dumps(document), flush=True)
    if not is_sound:
        sys.exit(1)


def one_run(plan: Plan, given: argparse.Namespace) -> dict[str, Any]:
    """One run against whatever the arguments name."""
    if given.endpoint:
        return {**foreign(plan, given.pid), "machine": machine()}
    folder = Path(given.folder or tempfile.mkdtemp(prefix="longpole-ingest-"))
    try:
        document = own(plan, folder / "data", given.warm_up, given.server)
    finally:
        if not given.folder:
            shutil.rmtree(folder, ignore_errors=True)
    return {**document, "machine": machine()}


def arguments() -> argparse.Namespace:
    """What a run is like."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--endpoint", default="", help="HOST:PORT of a receiver that runs already")
    parser.add_argument("--pid", type=int, default=0, help="its process, if it is on this machine")
    parser.add_argument("--signal", choices=[s.value for s in Signal], default="traces")
    parser.add_argument("--batch", type=int, default=512, help="records in a request")
    parser.add_argument("--attributes", type=int, default=10)
    parser.add_argument("--compression", choices=COMPRESSIONS, default="none")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="grpc")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--workers", type=int, default=default_workers(), help="client processes")
    parser.add_argument("--rate", type=float, default=0.0, help="records a second, 0: all it takes")
    parser.add_argument("--warm-up", type=float, default=3.0, help="seconds before, not counted")
    parser.add_argument("--folder", default="", help="where data stays afterwards")
    parser.add_argument("--server", nargs="*", default=[], help="further flags of longpole serve")
    parser.add_argument("--all", action="store_true", help="every protocol, compression, signal")
    parser.add_argument("--runs", type=int, default=1, help="how often")
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON")
    return parser.parse_args()


def own(plan: Plan, folder: Path, warm_up: float, flags: list[str]) -> dict[str, Any]:
    """A run against a server of its own."""
    clock = SystemClock()
    server = ServerUnderLoad(folder, *flags)
    try:
        is_compiled = server.wait_for_compiled_code()
        plan = replace(plan, endpoint=server.grpc if plan.protocol == "grpc" else server.http)
        if warm_up:
            run(replace(plan, seconds=warm_up, seed=plan.seed + 1, service_prefix="warm-up"), clock)
            server.wait_until_settled(SETTLE_SECONDS)
        probe = Probe(server.http, server.web, plan.seed + 2)
        marks: list[float] = []

        def at_start() -> None:
            marks.append(server.cpu_seconds())
            probe.start()

        load = run(plan, clock, at_start)
        marks.append(server.cpu_seconds())
        probe.stop()
        is_settled = server.wait_until_settled(SETTLE_SECONDS)
        marks.append(server.cpu_seconds())
    except BaseException:
        server.process.kill()
        raise
    peak = server.stop()
    stored = on_disk(folder, load)
    records = load.acknowledged_records
    kind = {"traces": "spans"}.get(plan.signal.value, plan.signal.value)
    rows, data_bytes = stored.rows_by_kind.get(kind, 0), stored.bytes_by_kind.get(kind, 0)
    return {
        **headline(load, marks),
        "lost_spans": stored.lost,
        "doubled_spans": stored.doubled,
        "peak_rss_bytes": peak,
        "disk_bytes_per_span": round(data_bytes / max(1, rows), 2),
        "queryable_after_seconds": _round(max(probe.seconds) if probe.seconds else None),
        "queryable_after_seconds_median": _round(_median(probe.seconds)),
        "trace_by_id_seconds": _spread(probe.ask_seconds),
        "search_seconds": _spread(probe.search_seconds),
        "probes_not_found": probe.missing,
        "server_cpu_us_per_span_all_done": _per_span(marks[2] - marks[0], records),
        "is_settled": is_settled,
        "is_compiled": is_compiled,
        "unanswered_but_stored_spans": stored.extra,
        "segment_rows": stored.rows_by_kind,
        "segment_bytes": stored.bytes_by_kind,
        "load": load.document(),
    }


def foreign(plan: Plan, pid: int) -> dict[str, Any]:
    """A run against somebody else's receiver."""
    marks: list[float] = []
    load = run(plan, SystemClock(), lambda: marks.append(cpu_seconds(pid)) if pid else None)
    if pid:
        marks.append(cpu_seconds(pid))
    return {
        **headline(load, marks),
        "lost_spans": None,
        "doubled_spans": None,
        "peak_rss_bytes": peak_bytes(pid) if pid else None,
        "disk_bytes_per_span": None,
        "queryable_after_seconds": None,
        "load": load.document(),
    }


def headline(load: Load, marks: list[float]) -> dict[str, Any]:
    """Rate and processor time of both sides."""
    document = load.document()
    server = marks[1] - marks[0] if len(marks) > 1 else None
    return {
        "acked_spans_per_second": document["acknowledged_per_second"],
        "server_cpu_us_per_span": _per_span(server, load.acknowledged_records),
        "client_cpu_us_per_span": document["client_cpu_us_per_record"],
        "client_share_of_cpu": _round(load.client_cpu_seconds / (load.client_cpu_seconds + server))
        if server
        else None,
        "server_cores_used": _round(server / load.elapsed_seconds) if server else None,
    }


def machine() -> dict[str, Any]:
    """What it was measured on, and how busy that was."""
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = models[0].split(":", 1)[1].strip() if models else cpu
    load = [round(average, 1) for average in os.getloadavg()]
    return {"cpu": cpu, "cores": os.cpu_count(), "load_1_5_15_minutes": load}


def _per_span(seconds: float | None, records: int) -> float | None:
    return None if seconds is None or not records else round(1e6 * seconds / records, 2)


def _median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None


def _spread(values: list[float]) -> dict[str, float] | None:
    """Median, p95 and the longest, in seconds."""
    if not values:
        return None
    p95 = np.percentile(values, 95)
    return {"median": _rounded(statistics.median(values)), "p95": _rounded(p95),
            "max": _rounded(max(values)), "asked": len(values)}  # fmt: skip


def _rounded(value: float) -> float:
    return round(float(value), 4)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


if __name__ == "__main__":
    main()
