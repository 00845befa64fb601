"""recommendation-service, put together."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable

from fastapi import FastAPI

from shop.chassis.chain import chain_router
from shop.chassis.chassis import Chassis, Parts
from shop.chassis.problem import install_problem_handlers
from shop.recommendation.api import api
from shop.recommendation.consumers import Learner, subscribe
from shop.recommendation.logic import CANARY_VERSION, RecommendationLogic
from shop.recommendation.model import HeldModel
from shop.recommendation.tables import SCHEMA

NAME = "recommendation-service"
API_VERSION = "1.0.0"

_log = logging.getLogger("shop.recommendation")


def build(chassis: Chassis) -> Parts:
    """The parts of recommendation-service; the version of the instance decides what it does."""
    database = chassis.database(SCHEMA)
    model = HeldModel(chassis.faults, _restart_of(chassis.settings.version))
    logic = RecommendationLogic(
        database, chassis.faults, chassis.flags, model, chassis.settings.version
    )
    app = FastAPI(title=NAME, version=API_VERSION)
    app.include_router(api(logic))
    app.include_router(chain_router(chassis))
    install_problem_handlers(app)
    subscribe(chassis.events, Learner(database))
    return Parts(
        app=app,
        ready_checks=(database.ready_check,),
        on_start=(model.warm_up,),
        on_stop=(database.close,),
    )


def _restart_of(version: str) -> Callable[[], None]:
    """The canary stays up, so that meanwhile somebody answers."""

    def restart() -> None:
        _log.warning("this process ends, to be started again")
        # As an orchestrator would do it: requests in flight are drained first.
        os.kill(os.getpid(), signal.SIGTERM)

    return restart if version != CANARY_VERSION else lambda: None
