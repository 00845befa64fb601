"""The rate limit: so many requests of one user in a moving window."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from limits import parse
from limits.storage import MovingWindowSupport, Storage
from limits.strategies import MovingWindowRateLimiter

MOST_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one request was told. `resets_in_seconds` is when the oldest request of the window
    leaves it, and so when a refused one may come again."""

    is_granted: bool
    limit: int
    window_seconds: int
    remaining: int
    resets_in_seconds: float


class RateLimit:
    """One limit, written as `100/minute`, for each key apart; `clock` gives seconds. Raises
    ValueError for a limit that cannot be read.

    The windows are in this instance's memory, so n gateways grant n times the limit; a storage
    that they share (`limits` has Redis and others) would make it one.
    """

    def __init__(self, limit: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = parse(limit)
        self._clock = clock
        self._limiter = MovingWindowRateLimiter(Windows(clock))

    def take(self, key: str) -> Allowance:
        """Count one request of `key`; one that is refused does not count."""
        is_granted = self._limiter.hit(self._limit, key)
        reset_time, remaining = self._limiter.get_window_stats(self._limit, key)
        return Allowance(
            is_granted,
            self._limit.amount,
            self._limit.get_expiry(),
            max(0, remaining),
            max(0.0, reset_time - self._clock()),
        )


class Windows(Storage, MovingWindowSupport):
    """The moving windows in memory. The storage of the package would do the same with the wall
    clock and a thread for every clean-up; this one forgets the longest unused key instead."""

    STORAGE_SCHEME = ["shop-windows"]

    def __init__(self, clock: Callable[[], float], most_keys: int = MOST_KEYS) -> None:
        super().__init__()
        self._clock = clock
        self._most_keys = most_keys
        self._lock = threading.Lock()
        self._hits: OrderedDict[str, deque[float]] = OrderedDict()

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Whether `amount` more hits fit into the last `expiry` seconds; then they are noted."""
        with self._lock:
            hits = self._window(key, expiry)
            if len(hits) + amount > limit:
                return False
            hits.extend([self._clock()] * amount)
            return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the oldest hit of the window was, now without one, and how many there are."""
        with self._lock:
            hits = self._window(key, expiry)
            return (hits[0] if hits else self._clock()), len(hits)

    def _window(self, key: str, expiry: int) -> deque[float]:
        hits = self._hits.setdefault(key, deque())
        self._hits.move_to_end(key)
        if len(self._hits) > self._most_keys:
            self._hits.popitem(last=False)
        oldest = self._clock() - expiry
        while hits and hits[0] <= oldest:
            hits.popleft()
        return hits

    def clear(self, key: str) -> None:
        """Forget a key."""
        with self._lock:
            self._hits.pop(key, None)

    def reset(self) -> int | None:
        """Forget all keys; how many they were."""
        with self._lock:
            known = len(self._hits)
            self._hits.clear()
            return known

    def check(self) -> bool:
        """Memory is always there."""
        return True

    @property
    def base_exceptions(self) -> type[Exception]:
        """What can go wrong with it."""
        return ValueError

    # The fixed window asks for these; a moving window has no use for them.

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Not for moving windows."""
        raise NotImplementedError("Windows keeps moving windows only")

    def get(self, key: str) -> int:
        """Not for moving windows."""
        raise NotImplementedError("Windows keeps moving windows only")

    def get_expiry(self, key: str) -> float:
        """Not for moving windows."""
        raise NotImplementedError("Windows keeps moving windows only")
