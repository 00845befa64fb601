"""`make demo`, driven as a user would: it shows an address and a report, and stops cleanly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FREE_PORTS = {
    "LONGPOLE_OTLP_GRPC": "127.0.0.1:0",
    "LONGPOLE_OTLP_HTTP": "127.0.0.1:0",
    "LONGPOLE_WEB": "127.0.0.1:0",
}


@pytest.mark.timeout(180)
def test_the_demo_reports_the_slow_query_and_stops_on_ctrl_c() -> None:
    demo = subprocess.Popen(
        [sys.executable, str(ROOT / "sample-apps" / "demo.py")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **FREE_PORTS, "DURATION": "120"}, start_new_session=True,
    )  # fmt: skip
    watchdog = threading.Timer(120, demo.kill)
    watchdog.start()
    try:
        assert demo.stdout is not None
        shown = ""
        while "traffic goes on" not in shown:
            line = demo.stdout.readline()
            assert line, f"the demo ended early:\n{shown}"
            shown += line
        demo.send_signal(signal.SIGINT)
        rest, errors = demo.communicate(timeout=60)
    finally:
        watchdog.cancel()
        if demo.poll() is None:
            demo.kill()
            demo.wait()
    assert demo.returncode == 0, errors
    assert "web on http://127.0.0.1:" in shown
    assert "payment-service" in shown
    assert "SELECT * FROM charges" in shown
    assert "server exit code 0" in rest
