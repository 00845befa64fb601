"""What a broker looks like from the chassis: messages, and the transport that carries them.

A transport moves bytes and keeps promises about them; spans, threads, filters by type and the
pauses between deliveries are the same for every transport and live in `messaging`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

BROKER = "broker"
MAX_ATTEMPTS = 5
MAX_BODY_BYTES = 256 * 1024
DEAD_SUFFIX = ".dead"
DEAD_FROM_GROUP = "shop-dead-group"
DEAD_AFTER_ATTEMPTS = "shop-dead-attempts"

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


def is_group(text: str) -> bool:
    """Whether a group may be called that: lower-case letters, digits, - and _."""
    return _NAME.fullmatch(text) is not None


def is_topic(text: str) -> bool:
    """Whether a topic may: as a group, or that and `.dead`."""
    return is_group(text.removesuffix(DEAD_SUFFIX))


@dataclass(frozen=True, slots=True)
class Message:
    """An event on the wire. `body` is JSON text; `headers` carry the trace context."""

    message_id: str
    type: str
    key: str
    body: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Received:
    """A message in hand. `attempt` counts from 1, `receipt` names this delivery and no later
    one."""

    message: Message
    receipt: str
    attempt: int
    published_unix_nano: int


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a group is behind: messages not yet handed out, messages in hand, and the age of
    the oldest of both in seconds (0 when there is none)."""

    waiting: int
    in_flight: int
    oldest_age_seconds: float


class Transport(Protocol):
    """A broker. Every call blocks and may be made from any thread; all raise `DependencyError`
    when the broker cannot be reached or refuses."""

    @property
    def system(self) -> str:
        """The value of `messaging.system`."""
        ...

    def send(self, topic: str, message: Message) -> None:
        """Durable when this returns. A message id sent twice to a topic counts once while the
        broker remembers it (some minutes)."""
        ...

    def receive(self, topic: str, group: str, max_messages: int) -> Sequence[Received]:
        """The next messages, oldest first; waits some seconds for the first and then answers
        with nothing. Creates the group: its first message is the topic's oldest. Nobody else of
        the group gets a key of which a message is in hand or waits for another attempt."""
        ...

    def acknowledge(self, topic: str, group: str, received: Sequence[Received]) -> None:
        """Done: never again. A receipt that has expired changes nothing."""
        ...

    def retry(
        self, topic: str, group: str, received: Sequence[Received], delay_seconds: float
    ) -> None:
        """Failed: again after the delay, or into `<topic>.dead` after `MAX_ATTEMPTS`."""
        ...

    def give_back(self, topic: str, group: str, received: Sequence[Received]) -> None:
        """Not begun: again at once, and this delivery does not count as an attempt."""
        ...

    def lags(self, groups: Sequence[tuple[str, str]]) -> Sequence[Lag]:
        """How far these are behind: topic and group, in the same order."""
        ...

    def interrupt(self) -> None:
        """End every `receive` that waits; later ones answer with nothing at once."""
        ...

    def close(self) -> None:
        """Let go of connections and threads. A second call does nothing."""
        ...
