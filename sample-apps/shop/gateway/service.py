"""The gateway, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi import FastAPI

from shop.chassis.chain import Chain
from shop.chassis.chassis import Chassis, Parts
from shop.chassis.parallel import Parallel
from shop.chassis.problem import install_problem_handlers
from shop.gateway.api import api
from shop.gateway.backends import Backends, remote_backends
from shop.gateway.front_door import FrontDoor
from shop.gateway.home import HomePage
from shop.gateway.operations import Operations
from shop.gateway.rate_limit import RateLimit
from shop.gateway.routing import is_open
from shop.gateway.tokens import Verifier

NAME = "gateway"
API_VERSION = "1.0.0"

# Four calls for each of some twelve pages at once.
HOME_THREADS = 48


def build(chassis: Chassis) -> Parts:
    """The parts of the gateway, with the services behind it reached over HTTP."""
    chain = Chain(chassis.caller)
    backends = remote_backends(chassis.caller, chassis.faults)
    for_home = remote_backends(chassis.caller, chassis.faults, for_home=True)
    return build_on(chassis, backends, for_home, NAME, API_VERSION, chain.walk)


def build_on(
    chassis: Chassis,
    backends: Backends,
    for_home: Backends,
    name: str,
    version: str,
    enrich: Callable[[Sequence[str]], object],
) -> Parts:
    """The front door on these backends, wherever they are. `enrich` hands a page to the chain of
    services that is given to it."""
    settings = chassis.settings
    verifier = Verifier(settings.jwt_secret)
    pool = Parallel("home page", HOME_THREADS)
    home = HomePage(for_home, chassis.faults, enrich, pool.run)
    operations = Operations(backends, home, RateLimit(settings.rate_limit))
    app = FastAPI(title=name, version=version)
    app.include_router(api(operations))
    install_problem_handlers(app)
    # Added last, so it stands before all others.
    app.add_middleware(
        FrontDoor,
        verifier=verifier,
        rate_limit=RateLimit(settings.rate_limit),
        is_open=is_open,
    )
    return Parts(app=app, ready_checks=(verifier.missing,), on_stop=(pool.close,))
