"""The mail relay: somebody else's service, which delivers e-mails."""

from __future__ import annotations

from dataclasses import asdict
from typing import Protocol

from shop.chassis.ports import Caller, CallPolicy
from shop.notification.letters import Letter

POLICY = CallPolicy(timeout_seconds=1.0, max_attempts=3, backoff_seconds=0.1)


class Relay(Protocol):
    """Delivers e-mails."""

    def deliver(self, letter: Letter, idempotency_key: str) -> None:
        """Taken on when this returns; the same key is delivered once. Raises
        `DependencyError`."""
        ...


class RelayClient:
    """Implements `Relay` over HTTP."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def deliver(self, letter: Letter, idempotency_key: str) -> None:
        """The same key is delivered once. Raises what `Caller.request` raises."""
        self._caller.request(
            "POST", "/mail-relay/messages", json=asdict(letter), idempotency_key=idempotency_key
        )
