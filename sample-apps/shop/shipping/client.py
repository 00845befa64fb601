"""The client of shipping-service: its contract over HTTP."""

from __future__ import annotations

from collections.abc import Sequence

from shop.chassis.ports import Caller
from shop.chassis.replies import read_reply
from shop.inventory.contract import Line
from shop.shipping.contract import Shipment, ShipmentRequest
from shop.user.contract import Address

SERVICE = "shipping-service"


class ShippingClient:
    """Implements `contract.Shipping`; beside its errors, all of `Caller.request` may come."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def schedule(
        self, order_id: str, address: Address, lines: Sequence[Line], idempotency_key: str
    ) -> Shipment:
        """The same key gives the same shipment."""
        request = ShipmentRequest(order_id=order_id, address=address, lines=list(lines))
        answer = self._caller.request(
            "POST",
            "/v1/shipments",
            json=request.model_dump(mode="json"),
            idempotency_key=idempotency_key,
        )
        return read_reply(answer, Shipment, SERVICE)

    def cancel(self, shipment_id: str) -> Shipment:
        """Doing it again changes nothing. Raises `NotFound`."""
        answer = self._caller.request(
            "DELETE", "/v1/shipments/{shipment_id}", params={"shipment_id": shipment_id}
        )
        return read_reply(answer, Shipment, SERVICE)
