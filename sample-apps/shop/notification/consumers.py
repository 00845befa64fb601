"""What notification-service does when it hears of something that a customer should know.

emails: EmailRequested ──────────────────▶ the e-mail that was asked for
orders: OrderConfirmed, OrderCancelled ──▶ order-confirmed, order-cancelled
"""

from __future__ import annotations

from shop import events
from shop.chassis.ports import Delivery, Events, Faults
from shop.notification.contract import EmailRequest, Notifications
from shop.notification.poison import refuse_poisoned

GROUP = "notification-service"

TEMPLATE_OF = {
    events.ORDER_CONFIRMED: "order-confirmed",
    events.ORDER_CANCELLED: "order-cancelled",
}


class EmailConsumer:
    """Sends e-mails. The key of each is its order and template, so that an event which comes
    twice, or was published twice, is one e-mail. What the relay refuses to take comes again."""

    def __init__(self, notifications: Notifications, faults: Faults) -> None:
        self._notifications = notifications
        self._faults = faults

    def handle_request(self, delivery: Delivery) -> None:
        """EmailRequested."""
        refuse_poisoned(delivery, self._faults)
        self._send(EmailRequest.model_validate(delivery.event.data))

    def handle_order(self, delivery: Delivery) -> None:
        """OrderConfirmed or OrderCancelled."""
        data = delivery.event.data
        template = TEMPLATE_OF[delivery.event.type]
        self._send(
            EmailRequest(order_id=data["order_id"], user_id=data["user_id"], template=template)
        )

    def _send(self, request: EmailRequest) -> None:
        self._notifications.send(request, f"{request.template}-of-{request.order_id}")


def subscribe(notifications: Notifications, chassis_events: Events, faults: Faults) -> None:
    """Listen to requests for e-mails and to what becomes of orders."""
    consumer = EmailConsumer(notifications, faults)
    chassis_events.subscribe(
        events.EMAILS, GROUP, consumer.handle_request, types=(events.EMAIL_REQUESTED,)
    )
    chassis_events.subscribe(events.ORDERS, GROUP, consumer.handle_order, types=tuple(TEMPLATE_OF))
