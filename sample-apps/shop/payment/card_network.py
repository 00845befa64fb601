"""The card network: somebody else's service, by which money moves."""

from __future__ import annotations

from typing import Protocol

from pydantic import BaseModel, Field

from shop.chassis.ports import Caller, CallPolicy
from shop.chassis.replies import read_reply

# Every request has a key, so asking again is safe; a charge that waits for two attempts and the
# pause between them is still answered before order-service gives up.
POLICY = CallPolicy(timeout_seconds=0.8, max_attempts=2, backoff_seconds=0.1, bulkhead_calls=32)


class Authorisation(BaseModel):
    """The network's word that the money was taken."""

    authorisation_id: str = Field(alias="id")


class CardNetwork(Protocol):
    """Moves money between cards and the shop."""

    def authorise(
        self, card_token: str, amount_cents: int, currency: str, idempotency_key: str
    ) -> Authorisation:
        """Take the money; the same key takes it once. Raises `PaymentDeclined` and
        `DependencyError`."""
        ...

    def refund(self, authorisation_id: str, amount_cents: int, idempotency_key: str) -> None:
        """Give it back; the same key gives it once. Raises `DependencyError`."""
        ...

    def void(self, idempotency_key: str) -> None:
        """Give back what was taken under this key, if anything was, and take nothing under it
        from now on: for whoever does not know. Twice changes nothing. Raises `DependencyError`."""
        ...


class CardNetworkClient:
    """Implements `CardNetwork` over HTTP."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def authorise(
        self, card_token: str, amount_cents: int, currency: str, idempotency_key: str
    ) -> Authorisation:
        answer = self._caller.request(
            "POST",
            "/card-network/authorisations",
            json={"card_token": card_token, "amount_cents": amount_cents, "currency": currency},
            idempotency_key=idempotency_key,
        )
        return read_reply(answer, Authorisation, "card-network")

    def refund(self, authorisation_id: str, amount_cents: int, idempotency_key: str) -> None:
        self._caller.request(
            "POST",
            "/card-network/refunds",
            json={"authorisation_id": authorisation_id, "amount_cents": amount_cents},
            idempotency_key=idempotency_key,
        )

    def void(self, idempotency_key: str) -> None:
        self._caller.request(
            "POST",
            "/card-network/voids",
            json={"authorisation_key": idempotency_key},
            idempotency_key=f"void-{idempotency_key}",
        )
