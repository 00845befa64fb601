"""order-service, put together."""

from __future__ import annotations

from fastapi import FastAPI

from shop.chassis.chain import chain_router
from shop.chassis.chassis import Chassis, Parts
from shop.chassis.grpc_calls import GrpcCaller
from shop.chassis.ports import Database, Faults
from shop.chassis.problem import install_problem_handlers
from shop.inventory.client import InventoryClient
from shop.order import policies
from shop.order.api import api
from shop.order.consumers import subscribe
from shop.order.logic import N_PLUS_ONE, OrderLogic
from shop.order.past_orders import remember_past_orders
from shop.order.patrol import Patrol
from shop.order.tables import SCHEMA
from shop.payment.client import PaymentClient
from shop.shipping.client import ShippingClient
from shop.user.client import UserClient

NAME = "order-service"
API_VERSION = "1.0.0"


def build(chassis: Chassis) -> Parts:
    """The parts of order-service. Sagas that an earlier life of this instance left unfinished are
    taken up as soon as it starts."""
    database = open_database(chassis)
    logic = logic_of(chassis, database)
    patrol = Patrol(logic)
    subscribe(chassis.events, logic)
    app = FastAPI(title=NAME, version=API_VERSION)
    install_problem_handlers(app)
    app.include_router(api(logic))
    app.include_router(chain_router(chassis))
    return Parts(
        app=app,
        ready_checks=(database.ready_check,),
        on_start=(lambda: _remember(database), patrol.start),
        on_stop=(patrol.stop, logic.close, database.close),
    )


def _remember(database: Database) -> None:
    remember_past_orders(database)


def open_database(chassis: Chassis) -> Database:
    """The database of orders."""
    database = chassis.database(SCHEMA)
    slow_lines(database, chassis.faults)
    return database


def slow_lines(database: Database, faults: Faults) -> None:
    """While orders ask for their lines one by one, each of these queries takes a little longer,
    as it does when the database is another machine."""

    def seconds() -> float:
        parameters = faults.active(N_PLUS_ONE)
        return 0.0 if parameters is None else float(parameters["milliseconds_per_query"]) / 1000

    database.delay_statements("SELECT order_lines", seconds)


def logic_of(chassis: Chassis, database: Database) -> OrderLogic:
    """The business of order-service with the other services behind their clients."""
    faults = chassis.faults
    payments = GrpcCaller("payment-service", policies.payment_policy(faults), chassis.discovery)
    inventory = chassis.caller("inventory-service", policies.inventory_policy(faults))
    return OrderLogic(
        database,
        chassis.events,
        payments=PaymentClient(payments),
        inventory=InventoryClient(inventory),
        shipping=ShippingClient(chassis.caller("shipping-service", policies.SHIPPING)),
        users=UserClient(chassis.caller("user-service", policies.USERS)),
        faults=faults,
        owner=chassis.settings.instance_id,
    )
