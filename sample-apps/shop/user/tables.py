"""The tables of user-service: one row for every person."""

from __future__ import annotations

SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS users (
        user_id       TEXT PRIMARY KEY,
        email         TEXT NOT NULL UNIQUE,
        name          TEXT NOT NULL,
        tier          TEXT NOT NULL,
        street        TEXT NOT NULL,
        city          TEXT NOT NULL,
        country       TEXT NOT NULL,
        password_hash TEXT NOT NULL
    )
    """,
)
