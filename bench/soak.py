"""Whether a server stays as it is for an hour: `python bench/soak.py` prints JSON lines.

Starts a server in a folder of its own and sends it an even load, with somebody asking for a trace
and the newest traces every second. One line each half a minute says what the process holds by then,
the last one how memory went by a straight line through the samples after the first quarter (caches
fill until then), how many files there were at most, what a span cost, and whether everything
acknowledged was stored exactly once. Exits with 1 when something was lost, doubled or refused.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from bench.ingest import headline, machine
from bench.ingesting.exactly_once import on_disk
from bench.ingesting.probe import Probe
from bench.ingesting.server import ServerUnderLoad

from longpole.cli.loadgen.plan import Plan
from longpole.cli.loadgen.run import Load, run
from longpole.model.clock import SystemClock

SAMPLE_SECONDS = 30.0
SETTLE_SECONDS = 600.0
WARM_UP_SHARE = 0.25
HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What the server held at one moment, memory and processor time with its process for settling;
    seconds since the load began."""

    second: float
    rss_bytes: int
    peak_rss_bytes: int
    file_handles: int
    threads: int
    files: int
    disk_bytes: int
    cpu_seconds: float
    pending_traces: int
    trace_by_id_seconds: float | None
    search_seconds: float | None


class Sampler:
    """Looks at a server again and again until it is stopped."""

    def __init__(self, server: ServerUnderLoad, probe: Probe) -> None:
        self._server, self._probe = server, probe
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.samples: list[Sample] = []

    def start(self) -> None:
        """Begin beside the load."""
        self._thread.start()

    def stop(self) -> None:
        """End after the sample that is being taken."""
        self._is_over.set()
        self._thread.join()

    def _work(self) -> None:
        started = time.monotonic()
        while not self._is_over.wait(SAMPLE_SECONDS):
            sample = self._sample(time.monotonic() - started)
            self.samples.append(sample)
            print(json.dumps(asdict(sample)), flush=True)

    def _sample(self, second: float) -> Sample:
        server, probe = self._server, self._probe
        process = Path(f"/proc/{server.process.pid}")
        fields = (process / "status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in fields if ":" in line)
        sizes = [size_of(path) for path in server.folder.rglob("*")]
        return Sample(
            round(second, 1),
            server.rss_bytes(),
            server.most_bytes(),
            len(list((process / "fd").iterdir())),
            int(status["Threads"]),
            len(sizes),
            sum(sizes),
            server.cpu_seconds(),
            server.status()["pending_traces"],
            _latest(probe.ask_seconds),
            _latest(probe.search_seconds),
        )


def size_of(path: Path) -> int:
    """In bytes; 0 for a file that went away meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def slope_per_hour(samples: Sequence[Sample], values: Sequence[float]) -> float:
    """By least squares over the samples after the warm-up."""
    begun = WARM_UP_SHARE * samples[-1].second
    kept = [(s.second, value) for s, value in zip(samples, values, strict=True)
            if s.second >= begun]  # fmt: skip
    seconds, amounts = zip(*kept, strict=True)
    return float(np.polyfit(seconds, amounts, 1)[0]) * HOUR_SECONDS


def summary(samples: Sequence[Sample], load: Load) -> dict[str, Any]:
    """The last line, without what is on disk."""
    memory = [s.rss_bytes for s in samples]
    answers = [s.trace_by_id_seconds for s in samples if s.trace_by_id_seconds is not None]
    searches = [s.search_seconds for s in samples if s.search_seconds is not None]
    half = len(answers) // 2
    return {
        "rss_bytes_median": int(np.median(memory)),
        "rss_bytes_most": max(memory),
        "rss_slope_bytes_per_hour": round(slope_per_hour(samples, memory)),
        "files_most": max(s.files for s in samples),
        "files_at_end": samples[-1].files,
        "file_handles_most": max(s.file_handles for s in samples),
        "threads_most": max(s.threads for s in samples),
        "pending_traces_most": max(s.pending_traces for s in samples),
        "trace_by_id_seconds_median_of_halves": [_median(answers[:half]), _median(answers[half:])],
        "search_seconds_median_of_halves": [_median(searches[:half]), _median(searches[half:])],
        "refusals": load.document()["refusals"],
    }


def _latest(seconds: Sequence[float]) -> float | None:
    return round(seconds[-1], 4) if seconds else None


def _median(values: Sequence[float]) -> float | None:
    return round(float(np.median(values)), 4) if values else None


def main() -> None:
    """One soak as the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=HOUR_SECONDS)
    parser.add_argument("--rate", type=float, default=20_000.0, help="spans a second")
    parser.add_argument("--server", nargs="*", default=[], help="further flags of longpole serve")
    given = parser.parse_args()
    # So that a run that is stopped takes its server along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="longpole-soak-") as folder:
        document = soak(Path(folder) / "data", given)
    print(json.dumps(document), flush=True)
    if document["lost_spans"] or document["doubled_spans"] or document["refusals"]:
        sys.exit(1)


def soak(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Load a server evenly, look at it meanwhile, and count what it kept."""
    server = ServerUnderLoad(folder, *given.server)
    try:
        server.wait_for_compiled_code()
        seed = random.SystemRandom().randrange(1 << 18)
        plan = Plan(server.grpc, seconds=given.seconds, rate=given.rate, seed=seed)
        probe = Probe(server.http, server.web, seed + 1)
        sampler = Sampler(server, probe)
        marks: list[float] = []

        def at_start() -> None:
            marks.append(server.cpu_seconds())
            probe.start()
            sampler.start()

        load = run(plan, SystemClock(), at_start)
        marks.append(server.cpu_seconds())
        sampler.stop()
        probe.stop()
        is_settled = server.wait_until_settled(SETTLE_SECONDS)
    except BaseException:
        server.process.kill()
        raise
    peak = server.stop()
    stored = on_disk(folder, load)
    spans = max(1, stored.rows_by_kind.get("spans", 0))
    return {
        "run": f"{given.rate:.0f} spans a second for {given.seconds:.0f} seconds",
        **headline(load, marks),
        **summary(sampler.samples, load),
        "peak_rss_bytes": peak,
        "disk_bytes_per_span": round(stored.bytes_by_kind.get("spans", 0) / spans, 2),
        "disk_bytes_per_span_with_derived": round(sum(stored.bytes_by_kind.values()) / spans, 2),
        "lost_spans": stored.lost,
        "doubled_spans": stored.doubled,
        "is_settled": is_settled,
        "load": load.document(),
        "machine": machine(),
    }


if __name__ == "__main__":
    main()
