"""The tables of payment-service, and the card history it starts with."""

from __future__ import annotations

from collections.abc import Sequence

INDEX = "card_history_by_card"

CREATE_INDEX = f"CREATE INDEX IF NOT EXISTS {INDEX} ON card_history (card_token, seen_unix_ms)"
DROP_INDEX = f"DROP INDEX IF EXISTS {INDEX}"

HISTORY_CARDS = 500
HISTORY_ROWS = 5_000
HISTORY_DAYS = 90

SCHEMA: Sequence[str] = (
    """
    CREATE TABLE IF NOT EXISTS charges (
        charge_id TEXT PRIMARY KEY,
        idempotency_key TEXT NOT NULL UNIQUE,
        order_id TEXT NOT NULL,
        user_id TEXT NOT NULL,
        amount_cents BIGINT NOT NULL,
        currency TEXT NOT NULL,
        card_token TEXT NOT NULL,
        authorisation_id TEXT NOT NULL,
        status TEXT NOT NULL,
        charged_unix_ms BIGINT NOT NULL
    )
    """,
    # Attempts whose outcome is not known, and those that were called off: see `attempts`. An
    # empty request: called off before anybody asked.
    """
    CREATE TABLE IF NOT EXISTS charge_attempts (
        idempotency_key TEXT PRIMARY KEY,
        order_id TEXT NOT NULL,
        request TEXT NOT NULL,
        status TEXT NOT NULL,
        tried_unix_ms BIGINT NOT NULL
    )
    """,
    """
    CREATE INDEX IF NOT EXISTS charge_attempts_by_status
        ON charge_attempts (status, tried_unix_ms)
    """,
    """
    CREATE TABLE IF NOT EXISTS wanted_refunds (
        charge_id TEXT PRIMARY KEY,
        order_id TEXT NOT NULL,
        tried_unix_ms BIGINT NOT NULL
    )
    """,
    # A log of what became of every attempt to use a card. import_batch is null for our own
    # attempts and numbers the rows that an import of older ones brought.
    """
    CREATE TABLE IF NOT EXISTS card_history (
        card_token TEXT NOT NULL,
        seen_unix_ms BIGINT NOT NULL,
        amount_cents BIGINT NOT NULL,
        outcome TEXT NOT NULL,
        import_batch BIGINT
    )
    """,
    CREATE_INDEX,
)

# Rows are made inside the database from a row number, so that thousands cost next to nothing.
_NUMBERED = """
    INSERT INTO card_history (card_token, seen_unix_ms, amount_cents, outcome, import_batch)
    WITH RECURSIVE numbers (n) AS (
        SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM numbers WHERE n < :rows
    )
"""

SEED_HISTORY = (
    _NUMBERED
    + f"""
    SELECT 'card-user-' || (1 + n % {HISTORY_CARDS}),
        :now_unix_ms - (n % {HISTORY_DAYS}) * 86400000 - 86400000,
        500 + (n * 7919) % 20000,
        CASE WHEN n % 50 = 0 THEN 'declined' ELSE 'captured' END,
        CAST(NULL AS BIGINT)
    FROM numbers
    """
)
"""Parameters: rows, now_unix_ms. Nothing in it is younger than a day."""

IMPORT_HISTORY = (
    _NUMBERED
    + """
    SELECT 'imported-' || CAST(:batch AS TEXT) || '-' || n,
        :now_unix_ms - n * 1000 - 86400000,
        500 + (n * 7919) % 20000,
        'captured',
        CAST(:batch AS BIGINT)
    FROM numbers
    """
)
"""Parameters: rows, now_unix_ms, batch."""

DELETE_IMPORT = "DELETE FROM card_history WHERE import_batch IS NOT NULL"
