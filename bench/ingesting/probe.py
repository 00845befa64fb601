"""How long answers take while data comes in: a trace just acknowledged, and the newest traces."""

from __future__ import annotations

import threading
import time
from itertools import count

import httpx

from longpole.cli.loadgen.batches import Batches
from longpole.cli.loadgen.plan import Plan

_EVERY_SECONDS = 1.0
_POLL_SECONDS = 0.01
_GIVE_UP_SECONDS = 60.0
_SPANS = 4


class Probe:
    """Sends a small trace every second and asks for it until it is there, then for the newest of
    the last quarter of an hour."""

    def __init__(self, http: str, web: str, seed: int) -> None:
        self._http, self._web = http, web
        plan = Plan(http, batch=_SPANS, attributes=2, seed=seed, service_prefix="probe")
        self._batches = Batches(plan, 0)
        self.seconds: list[float] = []
        self.ask_seconds: list[float] = []
        self.search_seconds: list[float] = []
        self.missing = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Begin beside the load."""
        self._thread.start()

    def stop(self) -> None:
        """End when the last one is found."""
        self._is_over.set()
        self._thread.join()

    def _work(self) -> None:
        with httpx.Client(timeout=_GIVE_UP_SECONDS, trust_env=False) as client:
            for number in count():
                if self._is_over.wait(_EVERY_SECONDS):
                    return
                self._once(client, number)

    def _once(self, client: httpx.Client, number: int) -> None:
        body = self._batches.request(number, time.time_ns())
        kind = {"Content-Type": "application/x-protobuf"}
        answer = client.post(f"http://{self._http}/v1/traces", content=body, headers=kind)
        if answer.status_code != 200:
            return
        acknowledged = time.monotonic()
        trace_id = self._batches.trace_id(number)
        while time.monotonic() - acknowledged < _GIVE_UP_SECONDS:
            asked = time.monotonic()
            found = client.get(f"http://{self._web}/api/v1/traces/{trace_id}")
            done = time.monotonic()
            if found.status_code == 200:
                self.seconds.append(done - acknowledged)
                self.ask_seconds.append(done - asked)
                self._search(client)
                return
            time.sleep(_POLL_SECONDS)
        self.missing += 1

    def _search(self, client: httpx.Client) -> None:
        asked = time.monotonic()
        client.get(f"http://{self._web}/api/v1/search?since=15m").raise_for_status()
        self.search_seconds.append(time.monotonic() - asked)
