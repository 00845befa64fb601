"""The events of the shop: topics and types, the contract between services that never meet.

The choreographed order:

    order-service     OrderCreated ──────────▶ payment-service
    payment-service   PaymentCompleted ──────▶ inventory-service, order-service
                      PaymentFailed ─────────▶ order-service (cancels)
    inventory-service InventoryReserved ─────▶ order-service (confirms)
                      InventoryRejected ─────▶ payment-service (refunds), order-service (cancels)
    order-service     OrderExpired ──────────▶ payment-service (takes nothing, or refunds)
    order-service     OrderConfirmed, OrderCancelled ▶ notification-, recommendation-service

`data` of each has `order_id`, `user_id` and `saga_id`; further keys stand beside the type.
"""

from __future__ import annotations

ORDERS = "orders"
PAYMENTS = "payments"
INVENTORY = "inventory"
EMAILS = "emails"

ORDER_CREATED = "OrderCreated"  # lines, total_cents, currency, card_token
ORDER_CONFIRMED = "OrderConfirmed"  # lines
ORDER_CANCELLED = "OrderCancelled"  # failure
ORDER_EXPIRED = "OrderExpired"  # pending for too long; OrderCancelled is told as well
PAYMENT_COMPLETED = "PaymentCompleted"  # charge_id, lines
PAYMENT_FAILED = "PaymentFailed"  # failure
PAYMENT_REFUNDED = "PaymentRefunded"  # charge_id
INVENTORY_RESERVED = "InventoryReserved"  # reservation_id
INVENTORY_REJECTED = "InventoryRejected"  # charge_id, failure
EMAIL_REQUESTED = "EmailRequested"  # template
