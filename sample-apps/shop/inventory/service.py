"""inventory-service, put together."""

from __future__ import annotations

from fastapi import FastAPI

from shop.chassis.chain import chain_router
from shop.chassis.chassis import Chassis, Parts
from shop.chassis.problem import install_problem_handlers
from shop.inventory.api import api
from shop.inventory.connection_leak import LeakyListing
from shop.inventory.consumers import subscribe
from shop.inventory.logic import InventoryLogic
from shop.inventory.overload import Admission
from shop.inventory.tables import SCHEMA

NAME = "inventory-service"
API_VERSION = "1.0.0"


def build(chassis: Chassis) -> Parts:
    """The parts of inventory-service; its products are in the database when this returns."""
    database = chassis.database(SCHEMA)
    listing = LeakyListing(database, chassis.faults)
    logic = InventoryLogic(database, chassis.faults, listing=listing.transaction)
    subscribe(logic, chassis.events, chassis.faults)
    app = FastAPI(title=NAME, version=API_VERSION)
    install_problem_handlers(app)
    app.include_router(api(logic, Admission(chassis.faults)))
    app.include_router(chain_router(chassis))
    return Parts(
        app=app,
        ready_checks=(database.ready_check,),
        on_stop=(listing.close, database.close),
    )
