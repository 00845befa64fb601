"""The fault `notification-poison-message`: a reader that is newer than the writer.

It insists on a field that nobody writes yet. Such an event fails at every delivery, however often
it comes, until it is set aside among the dead letters.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from shop.chassis.ports import Delivery, Faults
from shop.notification.contract import EmailRequest

FAULT = "notification-poison-message"
POISON_DELIVERIES = 3
"""An event that fails once or twice may have met bad luck; from then on it is poison."""


class LoyalEmailRequest(EmailRequest):
    """`EmailRequest` as its next version will be."""

    loyalty_points: int


class UnreadableEvent(Exception):
    """The event does not have the form that its reader expects."""


def refuse_poisoned(delivery: Delivery, faults: Faults) -> None:
    """While the fault is on, read its share of the events as if they were of the next version.
    Raises `UnreadableEvent`. Which events these are depends on their ids alone."""
    parameters, event = faults.active(FAULT), delivery.event
    if parameters is None or share_of(event.event_id) >= float(parameters["share"]):
        return
    if delivery.attempt >= POISON_DELIVERIES:
        faults.acted(FAULT)
    _read_as_next_version(event.data)


def share_of(event_id: str) -> float:
    """A number in [0, 1) that is always the same for an event."""
    return zlib.crc32(event_id.encode()) / 2**32


def _read_as_next_version(data: Mapping[str, Any]) -> None:
    try:
        LoyalEmailRequest.model_validate(data)
    except ValidationError as error:
        missing = ", ".join(str(part) for fault in error.errors() for part in fault["loc"])
        raise UnreadableEvent(f"the event EmailRequested lacks {missing}") from error
