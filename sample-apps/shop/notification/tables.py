"""The table of notification-service: one row for every e-mail that the relay has taken."""

from __future__ import annotations

from collections.abc import Sequence

SCHEMA: Sequence[str] = (
    """
    CREATE TABLE IF NOT EXISTS emails (
        email_id TEXT PRIMARY KEY,
        order_id TEXT NOT NULL,
        template TEXT NOT NULL,
        idempotency_key TEXT NOT NULL UNIQUE,
        sent_unix_nano BIGINT NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS emails_of_order ON emails (order_id, sent_unix_nano)",
)
