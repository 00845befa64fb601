"""Programs: what a process of the shop runs, by the name in its plan."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable

from shop.broker.app import broker_app
from shop.chassis.json_logs import log_to_stdout
from shop.chassis.process import Endpoints, listen_on, serve_app, serve_service
from shop.chassis.settings import Settings
from shop.children import Program
from shop.load.run import LoadSettings, run_until_signal
from shop.outside import serve_outside
from shop.registry.process import serve_registry
from shop.topology import PLATFORM, ProcessPlan, build_of

LOAD = "load"


def program_of(plan: ProcessPlan, held: socket.socket | None) -> Program:
    """What the process of a plan runs."""
    if plan.program == LOAD:
        return _load_program(plan)
    settings = Settings.from_environment(overrides=plan.environment)
    listener = held or listen_on(settings.listen)
    if plan.program not in PLATFORM:
        build = build_of(plan.program)
        return lambda stop, announce: serve_service(settings, build, stop, listener, announce)
    serve = {"registry": serve_registry, "broker": serve_broker, "outside": serve_outside}
    serve_it = serve[plan.program]

    def run(stop: threading.Event, announce: Callable[[Endpoints], None]) -> None:
        log_to_stdout(settings.service_name, settings.instance_id, settings.log_level)
        serve_it(settings, listener, stop, announce)

    return run


def serve_broker(
    settings: Settings,
    listener: socket.socket,
    stop: threading.Event,
    announce: Callable[[Endpoints], None],
) -> None:
    """Serve the embedded broker until `stop`; its topics are a file in the data folder."""
    settings.make_data_dir()
    app = broker_app(settings.data_dir / "broker.db")
    serve_app(app, listener, stop, announce, settings.drain_seconds)


def _load_program(plan: ProcessPlan) -> Program:
    told = plan.environment
    load = LoadSettings(
        gateway_url=told["gateway"],
        rate=float(told["rate"]),
        duration_seconds=float(told["duration"]),
        registry_url=told["registry"],
    )

    def run(_stop: threading.Event, announce: Callable[[Endpoints], None]) -> None:
        announce(Endpoints(""))
        log_to_stdout(LOAD, LOAD, "WARNING")
        print(json.dumps(asyncio.run(run_until_signal(load))))

    return run
