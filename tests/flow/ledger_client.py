"""Clients that write down, durably, what a server acknowledged, and resend what it did not."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import grpc
import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tests.flow.requests import HEADERS, batch
from tests.flow.server_process import ServerProcess

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
ANSWER_SECONDS = 10.0
# What a client may see of a server that is killed while it answers.
BROKEN_OFF = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
)


class Ledger:
    """Acknowledged traces: one line each, on disk before it counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.Lock()
        self.request_count = 0

    def enter(self, ids: list[tuple[str, str]]) -> None:
        """Take in one acknowledged request of one trace."""
        line = f"{ids[0][0]} {','.join(span_id for _, span_id in ids)}\n"
        with self._lock:
            os.write(self._fd, line.encode())
            os.fsync(self._fd)
            self.request_count += 1

    def traces(self) -> dict[str, set[str]]:
        """Span ids by trace id, read back from the file."""
        lines = (line.split() for line in self.path.read_text().splitlines())
        return {trace_id: set(span_ids.split(",")) for trace_id, span_ids in lines}

    def close(self) -> None:
        os.close(self._fd)


@dataclass(frozen=True, slots=True)
class Request:
    """One request of one trace: its exact bytes and (trace id, span id) pairs."""

    body: bytes
    ids: list[tuple[str, str]]


class Backlog:
    """Requests that were sent and not acknowledged; whoever sends next takes them first."""

    def __init__(self, chance: random.Random, most_spans: int = 64) -> None:
        self.resent = 0
        self._most_spans = most_spans
        self._chance = chance
        self._lock = threading.Lock()
        self._unanswered: deque[Request] = deque()

    def __len__(self) -> int:
        return len(self._unanswered)

    def give_back(self, request: Request) -> None:
        with self._lock:
            self._unanswered.append(request)

    def take(self, may_be_new: bool) -> Request | None:
        """An unanswered request, byte for byte the same; else a new one of 1 to 64 spans."""
        with self._lock:
            if self._unanswered:
                self.resent += 1
                return self._unanswered.popleft()
            if not may_be_new:
                return None
            now = time.time_ns()
            spans = self._chance.randint(1, self._most_spans)
            return Request(*batch(self._chance, 1, spans, start_unix_nano=now))


class Writers:
    """Threads that send to one server, half of them over gRPC, until it is gone or they are
    told to stop. With `may_be_new` false they stop when the backlog is empty."""

    def __init__(
        self,
        server: ServerProcess,
        backlog: Backlog,
        ledger: Ledger,
        count: int = 6,
        may_be_new: bool = True,
        pause_seconds: float = 0.04,
    ) -> None:
        self._server = server
        self._backlog = backlog
        self._ledger = ledger
        self._may_be_new = may_be_new
        self._pause_seconds = pause_seconds
        self._stop = threading.Event()
        self._failures: list[BaseException] = []
        ways = (self._over_http, self._over_grpc)
        self._threads = [
            threading.Thread(target=self._run, args=(ways[at % len(ways)],)) for at in range(count)
        ]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the threads; raises what one of them found wrong."""
        self._stop.set()
        self.join()

    def join(self) -> None:
        """Wait until every thread is done."""
        for thread in self._threads:
            thread.join(3 * ANSWER_SECONDS)
            assert not thread.is_alive(), "a writer hangs"
        if self._failures:
            raise self._failures[0]

    def _run(self, send_all: Callable[[], None]) -> None:
        try:
            send_all()
        except BaseException as failure:
            self._failures.append(failure)

    def _next(self) -> Request | None:
        # The pause keeps the load even, so that ledgers of slow and fast machines compare.
        if self._stop.wait(self._pause_seconds):
            return None
        return self._backlog.take(self._may_be_new)

    def _settle(self, request: Request, answer: bytes | None) -> None:
        """Enter an acknowledged request; None is no acknowledgement."""
        if answer is None:
            self._backlog.give_back(request)
            return
        partial = ExportTraceServiceResponse.FromString(answer).partial_success
        assert partial.rejected_spans == 0, partial.error_message
        self._ledger.enter(request.ids)

    def _over_http(self) -> None:
        with httpx.Client(timeout=ANSWER_SECONDS) as client:
            while (request := self._next()) is not None:
                try:
                    answer = client.post(
                        f"http://{self._server.http}/v1/traces",
                        content=request.body,
                        headers=HEADERS,
                    )
                except httpx.TransportError:
                    self._settle(request, None)
                    return
                assert answer.status_code in (200, 503), answer.text
                self._settle(request, answer.content if answer.status_code == 200 else None)

    def _over_grpc(self) -> None:
        with grpc.insecure_channel(self._server.grpc) as channel:
            export = channel.unary_unary(EXPORT)
            while (request := self._next()) is not None:
                try:
                    answer = export(request.body, timeout=ANSWER_SECONDS)
                except grpc.RpcError as error:
                    self._settle(request, None)
                    if error.code() not in BROKEN_OFF:
                        raise
                    return
                self._settle(request, answer)
