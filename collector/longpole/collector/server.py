"""The collector: both OTLP ports on one thread, from binding to draining."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry

from longpole.collector import binding
from longpole.collector.accept_errors import wait_quietly_for_file_handles
from longpole.collector.http_protocol import protocol_class
from longpole.collector.intake_desk import IntakeDesk
from longpole.collector.metrics import CollectorMetrics
from longpole.collector.otlp_grpc import GrpcListener
from longpole.collector.otlp_http import OtlpHttp
from longpole.collector.settings import CollectorSettings
from longpole.formats.otlp import Decoder, decode
from longpole.model.clock import Clock
from longpole.model.heap import use_one_heap
from longpole.storage.ports import Intake

# Decoding holds the interpreter lock for long stretches; more threads would only take turns.
_DECODER_THREADS = 2


class Collector:
    """Receives OTLP over gRPC and HTTP and hands it to an `Intake`.

    `start` and `stop` may be called from any thread. A stopped collector is not started
    again.
    """

    def __init__(
        self,
        settings: CollectorSettings,
        intake: Intake,
        clock: Clock,
        registry: CollectorRegistry,
        decoder: Decoder = decode,
    ) -> None:
        self._settings = settings
        use_one_heap()
        self._pool = ThreadPoolExecutor(_DECODER_THREADS, thread_name_prefix="decode")
        metrics = CollectorMetrics(registry)
        self._desk = IntakeDesk(settings, intake, clock, metrics, self._pool, decoder)
        self._app = OtlpHttp(self._desk)
        self._thread: threading.Thread | None = None
        self._addresses: dict[str, str] = {}
        self._ready = threading.Event()
        self._stopping = threading.Lock()
        self._is_stopped = False
        self._grpc: GrpcListener | None = None
        self._http: uvicorn.Server | None = None
        self._http_task: asyncio.Task[None] | None = None

    @property
    def addresses(self) -> Mapping[str, str]:
        """The bound addresses, `{"grpc": "127.0.0.1:4317", "http": "127.0.0.1:4318"}`;
        empty before `start`."""
        return dict(self._addresses)

    @property
    def is_ready(self) -> bool:
        """Whether requests are accepted: from `start` until `stop` begins."""
        return self._ready.is_set()

    def start(self) -> None:
        """Bind both ports and serve; returns once requests are accepted.

        Raises `AddressInUse` or `InvalidAddress`; then nothing is left listening.
        """
        http_socket = binding.listen(self._settings.http_address, "--otlp-http")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="collector", daemon=True)
        self._thread.start()
        try:
            self._call(self._serve(http_socket))
        except BaseException:
            http_socket.close()
            self._is_stopped = True
            self._end()
            raise
        self._ready.set()

    def stop(self, grace_seconds: float) -> None:
        """Drain: not ready, no new connections, GOAWAY and `Connection: close`; requests
        under way finish within `grace_seconds`. Returns when drained; a second call has no
        effect."""
        with self._stopping:
            if self._is_stopped or self._thread is None:
                return
            self._is_stopped = True
            self._app.is_draining = True
            self._ready.clear()
            try:
                self._call(self._drain(grace_seconds))
            finally:
                self._end()

    async def _serve(self, http_socket: socket.socket) -> None:
        settings = self._settings
        self._grpc = GrpcListener(self._desk)
        try:
            port = await self._grpc.start()
        except BaseException:
            await self._grpc.drain(0)
            raise
        host, _ = binding.split_address(settings.grpc_address)
        self._addresses["grpc"] = binding.join_address(host, port)
        host, _ = binding.split_address(settings.http_address)
        self._addresses["http"] = binding.join_address(host, http_socket.getsockname()[1])
        # Its own words would go to a logger nobody asked for.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        config = uvicorn.Config(
            self._app,
            http=protocol_class(settings.header_timeout_seconds, self._addresses["grpc"]),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=settings.keep_alive_seconds,
        )
        self._http = uvicorn.Server(config)
        self._http_task = asyncio.ensure_future(self._http.serve(sockets=[http_socket]))
        while not self._http.started:
            if self._http_task.done():
                self._http_task.result()
                raise RuntimeError("the HTTP listener ended while it was starting")
            await asyncio.sleep(0.001)

    async def _drain(self, grace_seconds: float) -> None:
        drains: list[Coroutine[Any, Any, None]] = []
        if self._grpc is not None:
            drains.append(self._grpc.drain(grace_seconds))
        if self._http is not None and self._http_task is not None:
            # Typed as whole seconds, used as a number.
            self._http.config.timeout_graceful_shutdown = grace_seconds  # type: ignore[assignment]
            self._http.should_exit = True
            drains.append(_over(self._http_task))
        await asyncio.gather(*drains)
        await self._desk.drained(grace_seconds)

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        wait_quietly_for_file_handles(self._loop)
        self._loop.run_forever()

    def _end(self) -> None:
        """Stop the loop and give thread, pool and loop back."""
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._pool.shutdown(wait=True)
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()


async def _over(task: asyncio.Task[None]) -> None:
    await task
