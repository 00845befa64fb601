"""The carrier: somebody else's service, by which parcels travel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import BaseModel

from shop.chassis.ports import Caller, CallPolicy
from shop.chassis.replies import read_reply
from shop.inventory.contract import Line
from shop.user.contract import Address

# A booking has a key, so asking again is safe; but order-service gives up after a few seconds,
# and two attempts with their pauses have to fit into that.
POLICY = CallPolicy(timeout_seconds=1.0, max_attempts=2, backoff_seconds=0.1)


class Parcel(BaseModel):
    """A parcel that the carrier takes: its own name and the parcel's."""

    carrier: str
    tracking_code: str


class Carrier(Protocol):
    """Takes parcels."""

    def book(
        self, order_id: str, address: Address, lines: Sequence[Line], idempotency_key: str
    ) -> Parcel:
        """The same key books once. Raises `DependencyError`."""
        ...


class CarrierClient:
    """Implements `Carrier` over HTTP."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def book(
        self, order_id: str, address: Address, lines: Sequence[Line], idempotency_key: str
    ) -> Parcel:
        """The same key books once. Raises what `Caller.request` raises."""
        answer = self._caller.request(
            "POST",
            "/carrier/parcels",
            json={
                "reference": order_id,
                "country": address.country,
                "pieces": sum(line.quantity for line in lines),
            },
            idempotency_key=idempotency_key,
        )
        return read_reply(answer, Parcel, "carrier")
