"""The answer to a submitted request: a receipt, or the error that says nothing was kept.

Apart from `ports.py`, which hands these names on, so that the journal and the transports can
use them without importing Arrow.
"""

from __future__ import annotations

from dataclasses import dataclass

from longpole.model.problem import LongpoleError


class StorageError(LongpoleError):
    """Base of what a store raises."""


class Overloaded(StorageError):
    """Too much is waiting: to be written (`reason` "overloaded"), to be sealed ("unsealed") or
    to be explained ("unexplained"). Nothing of the request was kept; try again in
    `retry_after_seconds`."""

    def __init__(
        self, message: str, retry_after_seconds: int = 1, reason: str = "overloaded"
    ) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.reason = reason


class StorageUnavailable(StorageError):
    """The disk refuses (full, failing, read-only) or the store is closing. Nothing of the
    request was acknowledged; a retry may succeed after `retry_after_seconds`."""

    def __init__(self, message: str, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class DiskFull(StorageUnavailable):
    """The reserve of free disk space is reached, or the disk itself is full. It passes by itself
    when space comes back."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a request is durable. `is_repeat`: an equal one already was."""

    sequence_number: int
    is_repeat: bool = False
