"""user-service, put together."""

from __future__ import annotations

import time

from fastapi import FastAPI

from shop.chassis.chain import chain_router
from shop.chassis.chassis import Chassis, Parts
from shop.chassis.problem import install_problem_handlers
from shop.user.api import api
from shop.user.logic import UserLogic
from shop.user.seed import seed_users
from shop.user.tables import SCHEMA
from shop.user.tokens import Signer, check_secret

NAME = "user-service"
API_VERSION = "1.0.0"


def build(chassis: Chassis) -> Parts:
    """The parts of user-service. People are written to the database before it is ready."""
    check_secret(chassis.settings.jwt_secret)
    database = chassis.database(SCHEMA)
    signer = Signer(chassis.settings.jwt_secret, time.time)
    app = FastAPI(title=NAME, version=API_VERSION)
    app.include_router(api(UserLogic(database, chassis.faults, signer)))
    app.include_router(chain_router(chassis))
    install_problem_handlers(app)
    return Parts(
        app=app,
        ready_checks=(database.ready_check,),
        on_start=(lambda: seed_users(database),),
        on_stop=(database.close,),
    )
