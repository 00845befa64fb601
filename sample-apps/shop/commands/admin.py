"""`python -m shop admin SERVICE TASK`: a one-off task, with the code of the service."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping

from shop.chassis.build import make_chassis
from shop.chassis.chassis import Chassis
from shop.chassis.settings import Settings
from shop.chassis.telemetry import start_telemetry
from shop.topology import SERVICES


def admin(service: str, task: str) -> int:
    """Run the task, print what it did. 2 for a service or a task that does not exist."""
    name = service if service in SERVICES else f"{service}-service"
    if name not in SERVICES:
        print(f"there is no service {service!r}; say one of {', '.join(SERVICES)}", file=sys.stderr)
        return 2
    tasks = _tasks(name)
    if task not in tasks:
        known = ", ".join(tasks) or "none"
        print(f"{name} has no task {task!r}; it has {known}", file=sys.stderr)
        return 2
    settings = Settings.from_environment(overrides={"SHOP_SERVICE_NAME": name})
    telemetry = start_telemetry(settings)
    try:
        print(tasks[task](make_chassis(settings, telemetry)))
    finally:
        telemetry.shutdown()
    return 0


def _tasks(service: str) -> Mapping[str, Callable[[Chassis], str]]:
    module = SERVICES[service].removesuffix(".service") + ".admin"
    try:
        tasks: Mapping[str, Callable[[Chassis], str]] = importlib.import_module(module).TASKS
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return {}
    return tasks
