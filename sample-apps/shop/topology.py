"""The topology: which services there are, and what `python -m shop up` starts where."""

from __future__ import annotations

SERVICES = {
    "gateway": "shop.gateway.service",
    "user-service": "shop.user.service",
    "order-service": "shop.order.service",
    "payment-service": "shop.payment.service",
    "inventory-service": "shop.inventory.service",
    "shipping-service": "shop.shipping.service",
    "notification-service": "shop.notification.service",
    "recommendation-service": "shop.recommendation.service",
}
"""The module with the `build` of each service, by service.name."""
