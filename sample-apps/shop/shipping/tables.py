"""The table of shipping-service: one row for every shipment."""

from __future__ import annotations

from collections.abc import Sequence

SCHEMA: Sequence[str] = (
    """
    CREATE TABLE IF NOT EXISTS shipments (
        shipment_id TEXT PRIMARY KEY,
        order_id TEXT NOT NULL,
        idempotency_key TEXT NOT NULL UNIQUE,
        carrier TEXT NOT NULL,
        tracking_code TEXT NOT NULL,
        status TEXT NOT NULL
    )
    """,
)
