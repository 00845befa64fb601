"""The tables of order-service: orders and their lines, running sagas, events not yet published."""

from __future__ import annotations

SCHEMA = (
    # An order remembers the key it was placed with, so that placing it again finds it. What an
    # order has heard (is_paid, is_reserved) matters to the choreographed ones only.
    """
    CREATE TABLE IF NOT EXISTS orders (
        order_id TEXT PRIMARY KEY,
        user_id TEXT NOT NULL,
        saga_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        status TEXT NOT NULL,
        total_cents INTEGER NOT NULL,
        currency TEXT NOT NULL,
        failure TEXT NOT NULL DEFAULT '',
        tracking_code TEXT NOT NULL DEFAULT '',
        is_paid INTEGER NOT NULL DEFAULT 0,
        is_reserved INTEGER NOT NULL DEFAULT 0,
        idempotency_key TEXT NOT NULL,
        request_digest TEXT NOT NULL,
        created_unix_ms BIGINT NOT NULL,
        UNIQUE (user_id, idempotency_key)
    )
    """,
    "CREATE INDEX IF NOT EXISTS orders_of_user ON orders (user_id, created_unix_ms)",
    "CREATE INDEX IF NOT EXISTS orders_pending ON orders (created_unix_ms)"
    " WHERE status = 'pending'",
    """
    CREATE TABLE IF NOT EXISTS order_lines (
        order_id TEXT NOT NULL,
        position INTEGER NOT NULL,
        sku TEXT NOT NULL,
        quantity INTEGER NOT NULL,
        PRIMARY KEY (order_id, position)
    )
    """,
    # `position` counts the steps that are done; the step at `position` may be under way. `fence`
    # grows with every change of owner, so that an owner that was thought dead cannot write.
    """
    CREATE TABLE IF NOT EXISTS sagas (
        saga_id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        status TEXT NOT NULL,
        position INTEGER NOT NULL,
        state TEXT NOT NULL,
        traceparent TEXT NOT NULL,
        owner TEXT NOT NULL,
        fence INTEGER NOT NULL,
        lease_unix_ms BIGINT NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS sagas_by_status ON sagas (status, lease_unix_ms)",
    """
    CREATE TABLE IF NOT EXISTS order_outbox (
        event_id TEXT PRIMARY KEY,
        topic TEXT NOT NULL,
        type TEXT NOT NULL,
        key TEXT NOT NULL,
        data TEXT NOT NULL,
        trace TEXT NOT NULL,
        stored_unix_ms BIGINT NOT NULL
    )
    """,
)
