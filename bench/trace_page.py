"""How quickly the trace page shows an answer, for traces of a thousand to a million spans.

    python bench/trace_page.py                        sizes 1k to 100k, and the odd shapes
    python bench/trace_page.py --only 1M --runs 3     a million spans

A real server, Chromium without a GPU. Beside it, in the same browser, the same trace as nested
OTLP JSON drawn the usual way (bench/page_timing/reference.js), from a file that is packed already,
so that its server costs nothing. Prints one JSON line for each trace and page; milliseconds count
from the start of the navigation. `js_heap_mb` is without typed arrays; `decoded_mb` is about
what these hold.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx
from bench.made_traces.shapes import SHAPES, SIZES, TRACE_ID, Maker, requests
from bench.page_timing.timing import SIZE, answered, moved, opened
from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import ARGUMENTS
from tests.flow.server_process import ServerProcess, running

HERE = Path(__file__).parent / "page_timing"
# What Chromium cannot even hold as one string; tried nevertheless, it fails at once.
_PATIENCE_S = 120.0


class _Files(SimpleHTTPRequestHandler):
    """Serves a folder; what ends in .json is packed on disk and says so."""

    def end_headers(self) -> None:
        if self.path.endswith(".json"):
            self.send_header("Content-Encoding", "gzip")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def reference_page(otlp_json: bytes) -> Iterator[str]:
    """The address of the reference page for this trace."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("reference.html", "reference.js"):
            shutil.copyfile(HERE / name, Path(folder) / name)
        (Path(folder) / "trace.json").write_bytes(gzip.compress(otlp_json, 6))
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=folder))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/reference.html"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def loaded(server: ServerProcess, make: Maker, settle_s: float) -> dict[str, Any]:
    """Sends a trace; waits until it is explained. Seconds of both."""
    begin = time.monotonic()
    with httpx.Client(timeout=300) as client:
        for body in requests(make(), time.time_ns()):
            client.post(
                f"http://{server.http}/v1/traces",
                content=body,
                headers={"content-type": "application/x-protobuf"},
            ).raise_for_status()
        sent = time.monotonic() - begin
        path = f"http://{server.web}/api/v1/traces/{TRACE_ID.hex()}"
        first_ms = None
        while time.monotonic() - begin < settle_s:
            asked = time.monotonic()
            answer = client.get(path)
            if answer.status_code == 200:
                first_ms = first_ms or round((time.monotonic() - asked) * 1000)
                if answer.json()["completeness"]["settled"]:
                    break
            time.sleep(0.5)
    explained = time.monotonic() - begin - sent
    return {
        "sent_s": round(sent, 1),
        "explained_after_s": round(explained, 1),
        "first_answer_ms": first_ms,
    }


def ours(browser: Browser, server: ServerProcess, runs: int) -> dict[str, Any]:
    """The trace page: opened, scrolled, zoomed, asked by keys."""
    address = f"http://{server.web}/traces/{TRACE_ID.hex()}"
    began = time.monotonic()
    httpx.get(address, timeout=300)
    result = {"first_html_ms": round((time.monotonic() - began) * 1000)}
    result |= opened(browser, address, runs, _PATIENCE_S)
    if "failed" in result:
        return result
    context = browser.new_context(viewport=SIZE)
    try:
        page = context.new_page()
        page.goto(address)
        page.wait_for_function("() => window.__lp_perf?.['waterfall-painted']", timeout=120_000)
        for key, name in (("]", "expand_all_ms"), ("b", "next_bottleneck_ms"),
                          ("e", "next_error_ms")):  # fmt: skip
            result[name] = answered(page, key)
        result["scroll"] = moved(page, "#viewer .scroller", zooming=False)
        result["zoom"] = moved(page, "#viewer .scroller", zooming=True)
        result["collapse_all_ms"] = answered(page, "[")
    finally:
        context.close()
    return result


def theirs(browser: Browser, server: ServerProcess, runs: int) -> dict[str, Any]:
    """The reference page over the export of the same trace."""
    path = f"http://{server.web}/api/v1/traces/{TRACE_ID.hex()}/export?format=otlp-json"
    exported = httpx.get(path, timeout=600)
    exported.raise_for_status()
    # A large trace is exported as several messages, one a line.
    parts = [json.loads(line) for line in exported.content.splitlines() if line]
    whole = {"resourceSpans": [one for part in parts for one in part["resourceSpans"]]}
    with reference_page(json.dumps(whole).encode()) as address:
        result = opened(browser, address, runs, _PATIENCE_S)
        if "failed" in result:
            return result
        context = browser.new_context(viewport=SIZE)
        try:
            page = context.new_page()
            page.goto(address)
            page.wait_for_function("() => window.__lp_perf?.['waterfall-painted']", timeout=120_000)
            result["scroll"] = moved(page, "#list", zooming=False)
        finally:
            context.close()
    return result


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", default=[], help="a size or a shape; repeatable")
    parser.add_argument("--runs", type=int, default=5, help="openings; medians are told")
    parser.add_argument("--no-reference", action="store_true", help="our page alone")
    options = parser.parse_args()
    makers = {**SIZES, **SHAPES}
    names = options.only or [name for name in makers if name != "1M"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(ARGUMENTS)
        )
        for name in names:
            with tempfile.TemporaryDirectory() as folder, running(
                Path(folder), "--settle-after", "2"
            ) as server:  # fmt: skip
                line = {"trace": name, **loaded(server, makers[name], 300)}
                pages = [("longpole", ours), *([] if options.no_reference else [("usual", theirs)])]
                for page, measure in pages:
                    load = round(os.getloadavg()[0], 1)
                    measured = measure(browser, server, options.runs)
                    print(json.dumps({**line, "page": page, **measured, "load_1_minute": load}),
                          flush=True)  # fmt: skip
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
