"""The tables of inventory-service and the products it starts with."""

from __future__ import annotations

from collections.abc import Sequence

FULL_STOCK = 1_000_000
"""How many of each product there are at first, and again after a restock."""

_KINDS = ("Lamp", "Chair", "Kettle", "Blanket", "Clock", "Shelf", "Teapot", "Mirror")
_MATERIALS = ("Oak", "Copper", "Linen", "Glass", "Wool")

PRODUCTS: Sequence[tuple[str, str, int]] = tuple(
    (f"sku-{n}", f"{_MATERIALS[n % 5]} {_KINDS[n % 8]}", 490 + n * 275) for n in range(1, 41)
)
"""sku, name, price in cents. Five materials and eight kinds make forty different names."""

_SEED = ", ".join(f"('{sku}', '{name}', {cents}, {FULL_STOCK})" for sku, name, cents in PRODUCTS)

SCHEMA: Sequence[str] = (
    """
    CREATE TABLE IF NOT EXISTS products (
        sku TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        price_cents INTEGER NOT NULL,
        in_stock INTEGER NOT NULL CHECK (in_stock >= 0)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS reservations (
        reservation_id TEXT PRIMARY KEY,
        order_id TEXT NOT NULL,
        idempotency_key TEXT NOT NULL UNIQUE,
        status TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS reservation_lines (
        reservation_id TEXT NOT NULL REFERENCES reservations (reservation_id),
        sku TEXT NOT NULL REFERENCES products (sku),
        quantity INTEGER NOT NULL,
        PRIMARY KEY (reservation_id, sku)
    )
    """,
    # The stock of a product that is already there is left as it is.
    f"INSERT INTO products (sku, name, price_cents, in_stock) VALUES {_SEED} "
    "ON CONFLICT (sku) DO NOTHING",
)
