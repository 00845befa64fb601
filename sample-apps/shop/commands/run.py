"""`python -m shop run SERVICE`: one service, told everything by its environment."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable

from shop.chassis.chassis import Chassis, Parts
from shop.chassis.process import serve_service, stop_on_signals
from shop.chassis.settings import Settings
from shop.topology import SERVICES


def build_of(service: str) -> Callable[[Chassis], Parts]:
    """The `build` of a service's package. Raises KeyError for a name that is none."""
    build: Callable[[Chassis], Parts] = importlib.import_module(SERVICES[service]).build
    return build


def run(service: str) -> int:
    """Serve until SIGTERM; 0 when everything in flight was finished."""
    stop = threading.Event()
    stop_on_signals(stop)
    settings = Settings.from_environment(service_name=service)
    serve_service(settings, build_of(service), stop)
    return 0
