"""Retries: a failed call again, after a pause that grows and is drawn at random (full jitter).

The pause before retry n is uniform between 0 and backoff * 2^(n-1), capped: clients that failed
together do not come back together. After M. Brooker, "Exponential backoff and jitter", 2015.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from shop.chassis.errors import DependencyError, DependencyTimeout, RateLimited, ShopError
from shop.chassis.ports import CallPolicy

T = TypeVar("T")


def call_with_retries(
    call: Callable[[int], T],
    policy: CallPolicy,
    *,
    may_repeat: bool,
    sleep: Callable[[float], None],
    draw: Callable[[], float],
) -> T:
    """`call(n)` for n = 1, 2, … until it returns, fails for good, or `max_attempts` are used up.

    Without `may_repeat` only what was never sent is tried again. `draw` gives numbers in [0, 1).
    The error that leaves is final: repeating is decided here, next to the failure, and callers
    further up that repeat as well would multiply the load. It is the timeout of an earlier
    attempt when the last one was turned away: that refusal says nothing of the work that was
    asked for first, and may have been done.
    """

    def is_worth_repeating(error: BaseException) -> bool:
        if not (isinstance(error, ShopError) and error.is_retryable) or error.is_final:
            return False
        if (
            isinstance(error, RateLimited)
            and error.retry_after_seconds > policy.backoff_max_seconds
        ):
            return False
        return may_repeat or (isinstance(error, DependencyError) and error.was_never_sent)

    def pause(state: RetryCallState) -> float:
        ceiling = min(
            policy.backoff_max_seconds,
            policy.backoff_seconds * 2.0 ** (state.attempt_number - 1),
        )
        seconds = draw() * ceiling
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, RateLimited):
            seconds = max(seconds, error.retry_after_seconds)
        return seconds

    retrying = Retrying(
        stop=stop_after_attempt(max(1, policy.max_attempts)),
        wait=pause,
        retry=retry_if_exception(is_worth_repeating),
        sleep=sleep,
        reraise=True,
    )
    attempts = 0
    late: DependencyTimeout | None = None

    def once() -> T:
        nonlocal attempts, late
        attempts += 1
        try:
            return call(attempts)
        except DependencyTimeout as error:
            if not error.was_never_sent:
                late = error
            raise

    try:
        return retrying(once)
    except ShopError as error:
        was_turned_away = isinstance(error, DependencyError | RateLimited)
        leaving = late if late is not None and was_turned_away else error
        leaving.is_final = True
        raise leaving from leaving.__cause__
