"""The monolith: the same business code in one process, over one database, without a network.

    gateway routes ─▶ order ─▶ payment, inventory, shipping ─▶ one database file
                        └────▶ events in memory ─▶ notification, recommendation

What is an HTTP or gRPC call between services is a method call here, in a span of its own, so the
trace of a checkout has the same shape, without the hops: one process to deploy, to debug and to
trust, until its parts need to be scaled or changed apart. It has no breakers, bulkheads or
retries, because a method call that does not answer is a bug and not the weather.

Faults that live between services, `gateway-deep-chain` and the like, change nothing in it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from shop.chassis.chassis import Chassis, Parts
from shop.chassis.ports import Database
from shop.chassis.traced import traced
from shop.gateway.backends import INVENTORY, ORDERS, RECOMMENDATIONS, USERS, Backends
from shop.gateway.service import build_on
from shop.inventory import consumers as inventory_consumers
from shop.inventory import tables as inventory_tables
from shop.inventory.connection_leak import LeakyListing
from shop.inventory.contract import Inventory
from shop.inventory.logic import InventoryLogic
from shop.notification import consumers as notification_consumers
from shop.notification import relay
from shop.notification import tables as notification_tables
from shop.notification.contract import Notifications
from shop.notification.logic import NotificationLogic
from shop.order import consumers as order_consumers
from shop.order import tables as order_tables
from shop.order.contract import Orders
from shop.order.logic import OrderLogic
from shop.order.past_orders import remember_past_orders
from shop.order.patrol import Patrol
from shop.order.service import slow_lines
from shop.payment import consumers as payment_consumers
from shop.payment import tables as payment_tables
from shop.payment.card_network import POLICY as CARD_NETWORK_POLICY
from shop.payment.card_network import CardNetworkClient
from shop.payment.history_import import HistoryImport
from shop.payment.logic import PaymentLogic
from shop.payment.service import SLOW_QUERY
from shop.payment.settling import Settling
from shop.recommendation import consumers as recommendation_consumers
from shop.recommendation import tables as recommendation_tables
from shop.recommendation.contract import Recommendations
from shop.recommendation.logic import RecommendationLogic
from shop.recommendation.model import HeldModel
from shop.shipping import carrier
from shop.shipping import tables as shipping_tables
from shop.shipping.contract import Shipping
from shop.shipping.logic import ShippingLogic
from shop.shipping.pause import Pauses
from shop.user import tables as user_tables
from shop.user.contract import Users
from shop.user.logic import UserLogic
from shop.user.seed import seed_users
from shop.user.tokens import Signer, check_secret

NAME = "shop-monolith"
API_VERSION = "1.0.0"

PAYMENTS = "payment-service"
SHIPPING = "shipping-service"
NOTIFICATIONS = "notification-service"

SCHEMA: tuple[str, ...] = (
    *user_tables.SCHEMA,
    *inventory_tables.SCHEMA,
    *payment_tables.SCHEMA,
    *shipping_tables.SCHEMA,
    *notification_tables.SCHEMA,
    *recommendation_tables.SCHEMA,
    *order_tables.SCHEMA,
)
"""The tables of all services, side by side: their names differ."""


def _remember_past_orders(database: Database) -> None:
    remember_past_orders(database)


def build(chassis: Chassis) -> Parts:
    """The whole shop. `chassis.events` should be `local`; only the third parties are called."""
    check_secret(chassis.settings.jwt_secret)
    database = chassis.database(SCHEMA)
    faults, events, settings = chassis.faults, chassis.events, chassis.settings

    users: Users = traced(
        UserLogic(database, faults, Signer(settings.jwt_secret, time.time)), USERS
    )
    listing = LeakyListing(database, faults)
    inventory: Inventory = traced(
        InventoryLogic(database, faults, listing=listing.transaction), INVENTORY
    )
    network = CardNetworkClient(chassis.caller("card-network", CARD_NETWORK_POLICY))
    payment_logic = PaymentLogic(database, network)
    payments = traced(payment_logic, PAYMENTS)
    booking = carrier.CarrierClient(chassis.caller("carrier", carrier.POLICY))
    shipping: Shipping = traced(ShippingLogic(database, faults, booking), SHIPPING)
    mail = relay.RelayClient(chassis.caller("mail-relay", relay.POLICY))
    notifications: Notifications = traced(NotificationLogic(database, mail), NOTIFICATIONS)
    model = HeldModel(faults)
    recommendations: Recommendations = traced(
        RecommendationLogic(database, faults, chassis.flags, model, settings.version),
        RECOMMENDATIONS,
    )
    order_logic = OrderLogic(
        database,
        events,
        payments=payments,
        inventory=inventory,
        shipping=shipping,
        users=users,
        faults=faults,
        owner=settings.instance_id,
    )
    orders: Orders = traced(order_logic, ORDERS)

    slow_lines(database, faults)
    database.delay_statements("SELECT card_history", lambda: _slow_query_seconds(chassis))
    payment_logic.history.seed()

    payment_consumers.subscribe(payments, events)
    inventory_consumers.subscribe(inventory, events, faults)
    order_consumers.subscribe(events, order_logic)
    notification_consumers.subscribe(notifications, events, faults)
    recommendation_consumers.subscribe(events, recommendation_consumers.Learner(database))

    backends = Backends(users, inventory, orders, orders, recommendations)
    door = build_on(chassis, backends, backends, NAME, API_VERSION, _nobody_to_ask)
    history_import = HistoryImport(database, faults)
    settling = Settling(payment_logic, database, network)
    patrol = Patrol(order_logic)
    pauses = Pauses(faults)
    pauses.watch(door.app)
    return Parts(
        app=door.app,
        ready_checks=(database.ready_check, *door.ready_checks),
        on_start=(
            lambda: seed_users(database),
            lambda: _remember_past_orders(database),
            model.warm_up,
            history_import.start,
            settling.start,
            patrol.start,
            pauses.start,
        ),
        on_stop=(
            *door.on_stop,
            pauses.stop,
            patrol.stop,
            settling.stop,
            history_import.stop,
            order_logic.close,
            listing.close,
            database.close,
        ),
    )


def _slow_query_seconds(chassis: Chassis) -> float:
    parameters = chassis.faults.active(SLOW_QUERY)
    if parameters is None:
        return 0.0
    chassis.faults.acted(SLOW_QUERY)
    return float(parameters["seconds"])


def _nobody_to_ask(hops: Sequence[str]) -> list[str]:
    """The chain of services has no links in one process."""
    return []
