from __future__ import annotations

from pathlib import Path

from shop.chassis.database import SqlDatabase
from shop.chassis.settings import Settings
from shop.order.order_store import newest, with_lines
from shop.order.past_orders import ORDERS_EACH, USERS, remember_past_orders
from shop.order.tables import SCHEMA


def test_every_user_has_bought_before_and_only_once(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {"SHOP_SERVICE_NAME": "order-service", "SHOP_DATA_DIR": str(tmp_path)}
    )
    database = SqlDatabase(settings, SCHEMA)
    assert remember_past_orders(database) == USERS * ORDERS_EACH
    assert remember_past_orders(database) == 0
    with database.transaction() as transaction:
        orders = with_lines(transaction, newest(transaction, "user-50", 100))
    assert len(orders) == ORDERS_EACH
    assert all(order.lines and order.status == "confirmed" for order in orders)
    database.close()
