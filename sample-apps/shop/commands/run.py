"""`python -m shop run SERVICE`: one process, told everything else by its environment."""

from __future__ import annotations

import threading
from typing import NoReturn

from shop.chassis.process import Endpoints, end_process, stop_on_signals
from shop.programs import program_of
from shop.topology import ProcessPlan


def run(program: str, service_name: str = "") -> NoReturn:
    """Serve until SIGTERM or SIGINT; exit 0 when everything in flight was finished. `program` is
    a service, a part of the platform or the monolith."""
    plan = ProcessPlan(program, program, {"SHOP_SERVICE_NAME": service_name or program})
    serve = program_of(plan, None)
    stop = threading.Event()
    stop_on_signals(stop)
    serve(stop, _say_nothing)
    end_process(0)


def _say_nothing(_endpoints: Endpoints) -> None:
    """The log line of the process is enough."""
