"""One process of a service: its servers, its place in the registry, its health, its end.

start ─▶ telemetry ─▶ parts ─▶ servers ─▶ ready ─▶ heartbeat
SIGTERM ─▶ deregister ─▶ others notice ─▶ drain ─▶ consumers ─▶ flush ─▶ exit 0
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

import grpc
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

from shop.chassis.build import make_chassis
from shop.chassis.chassis import Chassis, Parts
from shop.chassis.discovery import RegistryDiscovery
from shop.chassis.grpc_server import ServerCalls
from shop.chassis.heartbeat import Heartbeat, Held
from shop.chassis.ports import Instance
from shop.chassis.settings import Settings, SettingsError, split_address
from shop.chassis.switches import HeldFaults, HeldFlags
from shop.chassis.telemetry import start_telemetry

logger = logging.getLogger("shop.process")

GRPC_THREADS = 16
START_SECONDS = 30.0
# Clients keep an idle connection for less than this, so none is closed as it is used again.
KEEP_ALIVE_SECONDS = 30


class ProcessError(SettingsError):
    """The process can't serve as it was told to; the words say why."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a process listens, host:port as others reach it; `grpc` empty when it speaks none."""

    http: str
    grpc: str = ""


class HttpServer:
    """An ASGI app on a thread of its own."""

    def __init__(self, app: ASGIApp, listener: socket.socket, drain_seconds: float = 5.0) -> None:
        self._started = threading.Event()
        started = self._started

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                started.set()

        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, round(drain_seconds)),
        )
        self._server = Server(config)
        # A connection takes this over. Without it the body of an answer, sent after the headers,
        # waits 40 ms for the client's delayed acknowledgement, at every hop.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._listener = listener
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        """Serves when this returns. Raises `ProcessError`."""
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._started.wait(0.05):
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise ProcessError("the HTTP server did not start")

    def stop(self) -> None:
        """Take no more connections, finish the requests in flight, close."""
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        self._server.run(sockets=[self._listener])


def listen_on(address: str) -> socket.socket:
    """A listening TCP socket at host:port. Raises `ProcessError` when that is not possible."""
    host, port = split_address(address)
    try:
        return socket.create_server((host, port), backlog=512, reuse_port=False)
    except OSError as error:
        raise ProcessError(f"cannot listen on {address}: {error}") from error


def stop_on_signals(stop: threading.Event) -> None:
    """SIGTERM and SIGINT set `stop`. Main thread only."""

    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)


def end_process(code: int) -> NoReturn:
    """End at once, with what was printed. The interpreter's own end would wait for threads that
    have nothing left to do, and stop others inside of gRPC, which takes the process down."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def serve_app(
    app: ASGIApp,
    listener: socket.socket,
    stop: threading.Event,
    announce: Callable[[Endpoints], None] = lambda _: None,
    drain_seconds: float = 5.0,
) -> None:
    """Serve an app that is not part of the traced shop until `stop`."""
    server = HttpServer(app, listener, drain_seconds)
    endpoints = Endpoints(_address(listener))
    server.start()
    announce(endpoints)
    stop.wait()
    server.stop()


def serve_service(
    settings: Settings,
    build: Callable[[Chassis], Parts],
    stop: threading.Event,
    listener: socket.socket | None = None,
    announce: Callable[[Endpoints], None] = lambda _: None,
) -> None:
    """Serve one service until `stop` is set and what was in flight is done. Raises `ProcessError`
    and what `build` raises. `announce` is called when it is ready for requests."""
    try:
        telemetry = start_telemetry(settings)
    except ValueError as error:
        # The SDK reads further variables, and says of one of them that it makes no sense.
        raise ProcessError(f"OpenTelemetry does not start: {error}") from error
    held = Held(RegistryDiscovery(), HeldFaults(), HeldFlags())
    chassis = make_chassis(settings, telemetry, held)
    parts = build(chassis)
    draining = threading.Event()
    started = threading.Event()
    _add_health(parts, started, draining)
    telemetry.watch(parts.app)

    listener = listener or listen_on(settings.listen)
    http = HttpServer(parts.app, listener, settings.drain_seconds)
    grpc_server, grpc_port = _grpc_server(settings, parts)
    endpoints = _endpoints(settings, listener, grpc_port)
    http.start()
    if grpc_server is not None:
        grpc_server.start()
    for action in parts.on_start:
        action()
    chassis.events.start()
    started.set()
    _wait_until_ready(parts, stop)
    heartbeat = _heartbeat(settings, endpoints, held)
    if heartbeat is not None:
        heartbeat.start()
    logger.info("ready at %s", endpoints.http, extra={"grpc": endpoints.grpc})
    announce(endpoints)

    stop.wait()
    draining.set()
    logger.info("stopping: draining requests in flight")
    if heartbeat is not None:
        heartbeat.stop()
        # The others learn from their next heartbeat that this instance is gone; until then
        # they still call it, and get their answer.
        time.sleep(settings.heartbeat_seconds + 0.1)
    grpc_stopped = grpc_server.stop(settings.drain_seconds) if grpc_server is not None else None
    http.stop()
    if grpc_stopped is not None:
        grpc_stopped.wait()
    chassis.events.stop()
    for action in parts.on_stop:
        action()
    logger.info("stopped")
    telemetry.shutdown()


def _add_health(parts: Parts, started: threading.Event, draining: threading.Event) -> None:
    app: FastAPI = parts.app

    @app.get("/healthz", include_in_schema=False)
    def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    def readyz() -> JSONResponse:
        missing = _missing(parts)
        if not started.is_set():
            # The server listens already, but what it serves may not be there yet.
            missing = ["starting", *missing]
        elif draining.is_set():
            missing = ["draining"]
        if missing:
            return JSONResponse({"status": "not ready", "missing": missing}, status_code=503)
        return JSONResponse({"status": "ready"})


def _missing(parts: Parts) -> list[str]:
    return [words for words in (check() for check in parts.ready_checks) if words]


def _wait_until_ready(parts: Parts, stop: threading.Event) -> None:
    deadline = time.monotonic() + START_SECONDS
    while missing := _missing(parts):
        if time.monotonic() > deadline:
            raise ProcessError(f"not ready after {START_SECONDS:.0f} s: {'; '.join(missing)}")
        if stop.wait(0.1):
            return


def _grpc_server(settings: Settings, parts: Parts) -> tuple[grpc.Server | None, int]:
    if parts.register_grpc is None:
        return None, 0
    threads = ThreadPoolExecutor(GRPC_THREADS, thread_name_prefix="grpc")
    # SO_REUSEPORT would let two processes share a port that one of them was given by mistake.
    server = grpc.server(threads, interceptors=[ServerCalls()], options=[("grpc.so_reuseport", 0)])
    parts.register_grpc(server)
    port = server.add_insecure_port(settings.grpc_listen)
    if not port:
        raise ProcessError(f"cannot listen on {settings.grpc_listen}")
    return server, port


def _endpoints(settings: Settings, listener: socket.socket, grpc_port: int) -> Endpoints:
    host = _in_url(settings.advertise_host or split_address(settings.listen)[0])
    grpc_host = _in_url(settings.advertise_host or split_address(settings.grpc_listen)[0])
    http = f"{host}:{listener.getsockname()[1]}"
    return Endpoints(http, f"{grpc_host}:{grpc_port}" if grpc_port else "")


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{host}:{port}"


def _heartbeat(settings: Settings, endpoints: Endpoints, held: Held) -> Heartbeat | None:
    if not settings.registry_url:
        return None
    instance = Instance(
        service=settings.service_name,
        instance_id=settings.instance_id,
        version=settings.version,
        host_name=settings.host_name,
        http=endpoints.http,
        grpc=endpoints.grpc,
        weight=settings.weight,
    )
    return Heartbeat(settings.registry_url, instance, held, settings.heartbeat_seconds)
