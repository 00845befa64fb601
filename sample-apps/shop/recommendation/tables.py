"""The tables of recommendation-service: what was bought, by whom, and what was counted already."""

from __future__ import annotations

SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS popularity (
        sku    TEXT PRIMARY KEY,
        bought INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS tastes (
        user_id TEXT NOT NULL,
        sku     TEXT NOT NULL,
        bought  INTEGER NOT NULL,
        PRIMARY KEY (user_id, sku)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS learned_orders (
        order_id TEXT PRIMARY KEY
    )
    """,
)
