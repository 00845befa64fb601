"""What the e-mails say: one template for each occasion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template

from shop.chassis.errors import Invalid
from shop.notification.contract import EmailRequest

TEMPLATES: Mapping[str, tuple[str, str]] = {
    "order-received": (
        "We have your order $order_id",
        "Hello $user_id,\n\nthank you. We are getting your order $order_id ready.\n",
    ),
    "order-confirmed": (
        "Your order $order_id is confirmed",
        "Hello $user_id,\n\nyour order $order_id is paid and will be sent to you.\n",
    ),
    "order-cancelled": (
        "Your order $order_id was cancelled",
        "Hello $user_id,\n\nwe could not carry out your order $order_id. You owe us nothing.\n",
    ),
    "correction": (
        "About your order $order_id",
        "Hello $user_id,\n\nplease disregard what we wrote about your order $order_id: "
        "it could not be carried out after all.\n",
    ),
}
"""Subject and text, by the name of the template."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One e-mail, ready to be sent."""

    to: str
    subject: str
    text: str


def letter(request: EmailRequest) -> Letter:
    """Fill the template in. Raises `Invalid` for one that there is not."""
    if request.template not in TEMPLATES:
        raise Invalid(f"there is no template {request.template!r}")
    subject, text = (
        Template(part).substitute(order_id=request.order_id, user_id=request.user_id)
        for part in TEMPLATES[request.template]
    )
    return Letter(to=f"{request.user_id}@shop.example", subject=subject, text=text)
