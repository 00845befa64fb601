"""Chores: seals, merges and expires when it is due, one chore at a time, never raising."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from loguru import logger

from longpole.model.clock import Clock
from longpole.model.problem import Problem
from longpole.storage.duckdb.compaction import Compactor
from longpole.storage.duckdb.leases import LeaseBook
from longpole.storage.duckdb.retention import Retention
from longpole.storage.duckdb.settings import StoreSettings
from longpole.storage.duckdb.state import EngineState

_RETENTION_EVERY_NS = 10_000_000_000
_LONGEST_PAUSE_SECONDS = 60.0


class Chores:
    """What `tick` does. A chore that failed is counted, reported, and retried after a pause
    that doubles up to a minute; what it was to change stays as it was."""

    def __init__(
        self,
        settings: StoreSettings,
        state: EngineState,
        clock: Clock,
        leases: LeaseBook,
        seal: Callable[[], int],
        compactor: Compactor,
        retention: Retention,
        repair_after: Callable[[BaseException], bool],
    ) -> None:
        """`repair_after` repairs the damaged file that a chore failed for, if one did."""
        self.lock = threading.RLock()
        self.failures: Counter[str] = Counter()
        self._settings = settings
        self._state = state
        self._clock = clock
        self._leases = leases
        self._seal = seal
        self._compactor = compactor
        self._retention = retention
        self._repair_after = repair_after
        self._streak: Counter[str] = Counter()
        self._not_before: dict[str, int] = {}
        self._last_error: dict[str, str] = {}

    def tick(self) -> None:
        """See `ports.Upkeep.tick`."""
        if not self._state.is_replayed:
            return
        with self.lock:
            self.seal_if_due()
            self._try("compaction", self._compactor.compact_one)
            self._try("retention", self._retention.expire, pause_ns=_RETENTION_EVERY_NS)
        self._leases.sweep()

    def seal_if_due(self) -> None:
        """Seal what is hot, if it is time; within another chore, too. Never raises."""
        with self.lock:
            if self.is_seal_due():
                self._try("seal", self._seal)

    def seal_at_close(self) -> None:
        """Seal everything; what cannot be sealed stays in the journal. Never raises."""
        try:
            while self._seal():
                pass
        except Exception as error:
            self.failures["seal"] += 1
            logger.warning("the last seal failed, the journal keeps the rows: {}", error)

    def is_seal_due(self) -> bool:
        """Whether hot rows are many, big or old enough, or a seal has to be repeated."""
        with self._state.lock:
            hot = self._state.hot
            if hot.frozen is not None:
                return True
            generations = hot.generations()
            rows = sum(g.rows for g in generations)
            byte_count = sum(g.byte_count for g in generations)
            first = min(
                (g.first_row_ns for g in generations if g.first_row_ns is not None), default=None
            )
        if first is None:
            return False
        age_ns = self._clock.monotonic_ns() - first
        return (
            rows >= self._settings.seal_rows
            or byte_count >= self._settings.seal_bytes
            or age_ns >= self._settings.seal_after_seconds * 1e9
        )

    def problems(self) -> tuple[Problem, ...]:
        """Chores that fail at present."""
        return tuple(
            Problem(
                f"{chore}_failing",
                f"The last {self._streak[chore]} attempts at {chore} failed ({error}); nothing "
                "was lost, and it is tried again.",
                count=self._streak[chore],
            )
            for chore, error in self._last_error.items()
        )

    def _try(self, chore: str, action: Callable[[], object], pause_ns: int = 0) -> None:
        now = self._clock.monotonic_ns()
        if now < self._not_before.get(chore, now):
            return
        try:
            action()
        except Exception as error:
            if self._repair_after(error):
                return  # the next tick tries again
            self.failures[chore] += 1
            self._streak[chore] += 1
            self._last_error[chore] = str(error).splitlines()[0] if str(error) else repr(error)
            pause = min(_LONGEST_PAUSE_SECONDS, 2.0 ** (self._streak[chore] - 1))
            self._not_before[chore] = now + round(pause * 1e9)
            logger.warning("{} failed, next attempt in {} s: {}", chore, pause, error)
        else:
            self._streak[chore] = 0
            self._last_error.pop(chore, None)
            self._not_before[chore] = now + pause_ns
