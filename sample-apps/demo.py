"""`make demo`: a server, live traffic, the web address and the first critical-path report.

Runs until Ctrl-C, or for DURATION seconds. The usual LONGPOLE_* settings apply; without
LONGPOLE_DATA_DIR the data goes to a fresh folder that is deleted at the end.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LONGPOLE = str(Path(sys.executable).with_name("longpole"))


class Stopped(Exception):
    """Ctrl-C or SIGTERM."""


def stop(*_: object) -> None:
    raise Stopped


def main() -> int:
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    duration = float(os.environ.get("DURATION", "0")) or float("inf")
    ends = time.monotonic() + duration
    own_folder = None
    environment = dict(os.environ)
    if not environment.get("LONGPOLE_DATA_DIR"):
        own_folder = tempfile.mkdtemp(prefix="longpole-demo-")
        environment["LONGPOLE_DATA_DIR"] = own_folder
    # Children get signals from us alone, in order, not from the terminal.
    server = subprocess.Popen(
        [LONGPOLE, "serve"],
        stdout=subprocess.PIPE,
        stderr=None if sys.stderr.isatty() else subprocess.DEVNULL,
        text=True,
        env={"LONGPOLE_SETTLE_AFTER": "2", **environment},
        start_new_session=True,
    )
    traffic = None
    try:
        assert server.stdout is not None
        ready = server.stdout.readline().split()
        if not ready or ready[0] != "ready":
            print("demo: the server did not start; run `longpole serve` to see why")
            return server.wait()
        address = dict(word.split("=", 1) for word in ready[1:])
        print(f"demo: OTLP gRPC on {address['grpc']}, OTLP HTTP on {address['http']}")
        print(f"demo: web on http://{address['web']}/", flush=True)
        traffic = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("checkout.py")),
             "--endpoint", address["grpc"]],
            start_new_session=True,
        )  # fmt: skip
        url = f"http://{address['web']}"
        slow = wait_for_slow_trace(url, min(ends, time.monotonic() + 60))
        if slow is None:
            print("demo: no settled trace came in; is something else on these ports?")
            return 1
        print("\n$ longpole critical-path", flush=True)
        subprocess.run([LONGPOLE, "critical-path", "--url", url], env=environment, check=True)
        print(f"\n$ longpole trace {slow}", flush=True)
        subprocess.run([LONGPOLE, "trace", slow, "--url", url], env=environment, check=True)
        print(f"\ndemo: open http://{address['web']}/traces/{slow}")
        print("demo: traffic goes on; Ctrl-C stops everything", flush=True)
        while time.monotonic() < ends:
            if server.poll() is not None or traffic.poll() is not None:
                print("demo: a process ended on its own")
                return 1
            time.sleep(0.2)
        return 0
    except Stopped:
        print("\ndemo: stopping")
        return 0
    finally:
        code = finish(traffic, server)
        if own_folder is not None:
            shutil.rmtree(own_folder, ignore_errors=True)
        print(f"demo: stopped (server exit code {code})", flush=True)


def wait_for_slow_trace(url: str, deadline: float) -> str | None:
    """The id of a settled trace that took more than a second."""
    while time.monotonic() < deadline:
        run = subprocess.run(
            [LONGPOLE, "traces", "--url", url, "--min-duration", "1s", "--limit", "100", "--json"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        rows = [row for line in run.stdout.splitlines() for row in json.loads(line)["traces"]]
        settled = [row["trace_id"] for row in rows if row["is_settled"]]
        if settled:
            return str(settled[0])
        time.sleep(0.3)
    return None


def finish(traffic: subprocess.Popen[bytes] | None, server: subprocess.Popen[str]) -> int:
    """Stop the traffic first, so that nothing is refused, then the server."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if traffic is not None and traffic.poll() is None:
        traffic.send_signal(signal.SIGINT)
        traffic.wait(15)
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
    return server.wait(30)


if __name__ == "__main__":
    sys.exit(main())
