"""payment-service, put together."""

from __future__ import annotations

import grpc
from fastapi import FastAPI

from shop.chassis.chassis import Chassis, Parts
from shop.chassis.problem import install_problem_handlers
from shop.payment import payment_pb2_grpc
from shop.payment.api import api
from shop.payment.card_network import POLICY, CardNetworkClient
from shop.payment.consumers import subscribe
from shop.payment.history_import import HistoryImport
from shop.payment.logic import PaymentLogic
from shop.payment.servicer import PaymentServicer
from shop.payment.settling import Settling
from shop.payment.tables import SCHEMA

NAME = "payment-service"
API_VERSION = "1.0.0"
SLOW_QUERY = "payment-slow-query"


def build(chassis: Chassis) -> Parts:
    """The parts of payment-service; its card history is in the database when this returns."""
    faults = chassis.faults
    database = chassis.database(SCHEMA)

    def slow_query_seconds() -> float:
        parameters = faults.active(SLOW_QUERY)
        if parameters is None:
            return 0.0
        faults.acted(SLOW_QUERY)
        return float(parameters["seconds"])

    database.delay_statements("SELECT card_history", slow_query_seconds)
    network = CardNetworkClient(chassis.caller("card-network", POLICY))
    logic = PaymentLogic(database, network)
    logic.history.seed()
    history_import = HistoryImport(database, faults)
    settling = Settling(logic, database, network)
    subscribe(logic, chassis.events)

    app = FastAPI(title=NAME, version=API_VERSION)
    install_problem_handlers(app)
    app.include_router(api(logic))

    def register(server: grpc.Server) -> None:
        servicer = PaymentServicer(logic, faults)
        payment_pb2_grpc.add_PaymentServiceServicer_to_server(  # type: ignore[no-untyped-call]
            servicer, server
        )

    return Parts(
        app=app,
        register_grpc=register,
        ready_checks=(database.ready_check,),
        on_start=(history_import.start, settling.start),
        on_stop=(settling.stop, history_import.stop, database.close),
    )
