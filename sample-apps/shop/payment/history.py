"""The card history: what became of earlier attempts to use a card, and whether that looks like
fraud."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from opentelemetry.instrumentation.utils import suppress_instrumentation

from shop.chassis.errors import PaymentDeclined
from shop.chassis.ports import Database
from shop.payment.tables import CREATE_INDEX, DROP_INDEX, HISTORY_ROWS, SEED_HISTORY

WINDOW_SECONDS = 60
MAX_DECLINES = 20
"""Somebody who tries so many times within the window does not know the card."""
MAX_CENTS = 5_000_000
"""More than this on one card within the window is no shopping."""


@dataclass(frozen=True, slots=True)
class RecentUse:
    """What one card was used for within the window."""

    declines: int
    captured_cents: int


class CardHistory:
    """The table `card_history`. `clock` gives seconds since the epoch."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def recent_use(self, card_token: str) -> RecentUse:
        """What happened to the card within the last `WINDOW_SECONDS`."""
        with self._database.transaction() as transaction:
            (row,) = transaction.execute(
                """
                SELECT
                    coalesce(sum(CASE WHEN outcome = 'declined' THEN 1 ELSE 0 END), 0) AS declines,
                    coalesce(sum(CASE WHEN outcome = 'captured' THEN amount_cents ELSE 0 END), 0)
                        AS captured_cents
                FROM card_history
                WHERE card_token = :card_token AND seen_unix_ms >= :since
                """,
                card_token=card_token,
                since=self._now_unix_ms() - WINDOW_SECONDS * 1000,
            )
        return RecentUse(int(row["declines"]), int(row["captured_cents"]))

    def refuse_fraud(self, card_token: str, amount_cents: int) -> None:
        """Raises `PaymentDeclined` for a card whose recent use is not a customer's."""
        recent = self.recent_use(card_token)
        if recent.declines >= MAX_DECLINES:
            raise PaymentDeclined("the fraud check refuses the card: too many attempts failed")
        if recent.captured_cents + amount_cents > MAX_CENTS:
            raise PaymentDeclined("the fraud check refuses the card: too much in a short time")

    def note(self, card_token: str, amount_cents: int, outcome: str) -> None:
        """Write down what became of an attempt: captured or declined."""
        with self._database.transaction() as transaction:
            transaction.execute(
                "INSERT INTO card_history (card_token, seen_unix_ms, amount_cents, outcome) "
                "VALUES (:card_token, :seen_unix_ms, :amount_cents, :outcome)",
                card_token=card_token,
                seen_unix_ms=self._now_unix_ms(),
                amount_cents=amount_cents,
                outcome=outcome,
            )

    def seed(self) -> None:
        """Give an empty history the customers of the last months."""
        # What happens before the first request belongs to no trace.
        with suppress_instrumentation(), self._database.transaction() as transaction:
            if not transaction.execute("SELECT 1 FROM card_history LIMIT 1"):
                transaction.execute(
                    SEED_HISTORY, rows=HISTORY_ROWS, now_unix_ms=self._now_unix_ms()
                )

    def reindex(self) -> None:
        """Make the index anew."""
        with suppress_instrumentation(), self._database.transaction() as transaction:
            transaction.execute(DROP_INDEX)
            transaction.execute(CREATE_INDEX)

    def _now_unix_ms(self) -> int:
        return round(self._clock() * 1000)
