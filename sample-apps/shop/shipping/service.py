"""shipping-service, put together."""

from __future__ import annotations

from fastapi import FastAPI

from shop.chassis.chain import chain_router
from shop.chassis.chassis import Chassis, Parts
from shop.chassis.problem import install_problem_handlers
from shop.order.client import OrderClient
from shop.shipping import call_back, carrier
from shop.shipping.api import api
from shop.shipping.logic import ShippingLogic
from shop.shipping.order_tables import OrderTables, order_database
from shop.shipping.pause import Pauses
from shop.shipping.tables import SCHEMA

NAME = "shipping-service"
API_VERSION = "1.0.0"


def build(chassis: Chassis) -> Parts:
    """The parts of shipping-service, with the detours that its faults make it take."""
    database = chassis.database(SCHEMA)
    orders = OrderClient(chassis.caller("order-service", call_back.POLICY))
    pauses = Pauses(chassis.faults)
    order_tables = OrderTables(chassis.faults, order_database(chassis.settings))
    logic = ShippingLogic(
        database,
        chassis.faults,
        carrier.CarrierClient(chassis.caller("carrier", carrier.POLICY)),
        detours=(call_back.CallBack(chassis.faults, orders.order), order_tables),
    )
    app = FastAPI(title=NAME, version=API_VERSION)
    install_problem_handlers(app)
    pauses.watch(app)
    app.include_router(api(logic))
    app.include_router(chain_router(chassis))
    return Parts(
        app=app,
        ready_checks=(database.ready_check,),
        on_start=(pauses.start,),
        on_stop=(pauses.stop, order_tables.close, database.close),
    )
