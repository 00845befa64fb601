"""notification-service, put together."""

from __future__ import annotations

from fastapi import FastAPI

from shop.chassis.chain import chain_router
from shop.chassis.chassis import Chassis, Parts
from shop.chassis.problem import install_problem_handlers
from shop.notification import relay
from shop.notification.api import api
from shop.notification.consumers import subscribe
from shop.notification.logic import NotificationLogic
from shop.notification.tables import SCHEMA

NAME = "notification-service"
API_VERSION = "1.0.0"


def build(chassis: Chassis) -> Parts:
    """The parts of notification-service."""
    database = chassis.database(SCHEMA)
    logic = NotificationLogic(
        database, relay.RelayClient(chassis.caller("mail-relay", relay.POLICY))
    )
    subscribe(logic, chassis.events, chassis.faults)
    app = FastAPI(title=NAME, version=API_VERSION)
    install_problem_handlers(app)
    app.include_router(api(logic))
    app.include_router(chain_router(chassis))
    return Parts(app=app, ready_checks=(database.ready_check,), on_stop=(database.close,))
