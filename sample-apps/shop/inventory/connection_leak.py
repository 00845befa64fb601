"""The fault `inventory-pool-exhausted`: connections of the pool that nobody gives back in time.

    pool of 5   ████ leaked: taken by the first listing, back when the fault is off
                ░    left:   each listing keeps it on for a while after its answer was sent,
                             as if it waited for the garbage collector

So requests queue in `db.pool.acquire` though every statement is as fast as ever.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from opentelemetry.instrumentation.utils import suppress_instrumentation

from shop.chassis.ports import Database, Faults, Hold, Transaction

FAULT = "inventory-pool-exhausted"
WAIT_SECONDS = 0.02
"""Whoever waits longer for a connection was struck by the fault."""


class LeakyListing:
    """The transactions in which products are listed: the database's own while the fault is off."""

    def __init__(self, database: Database, faults: Faults) -> None:
        self._database = database
        self._faults = faults
        self._lock = threading.Lock()
        self._leak: Hold | None = None
        self._late: dict[threading.Timer, ExitStack] = {}

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """As `Database.transaction`."""
        parameters = self._faults.active(FAULT)
        if parameters is None:
            self._mend()
            with self._database.transaction() as transaction:
                yield transaction
            return
        self._leak_once(int(parameters["leaked_connections"]))
        with ExitStack() as stack:
            before = time.monotonic()
            try:
                transaction = stack.enter_context(self._database.transaction())
            finally:
                # Others kept what was left over.
                if time.monotonic() - before > WAIT_SECONDS:
                    self._faults.acted(FAULT)
            yield transaction
            self._give_back_later(stack.pop_all(), float(parameters["hold_milliseconds"]) / 1000)

    def close(self) -> None:
        """Give everything back now: what was leaked, and what was to be given back later."""
        self._mend()
        with self._lock:
            timers = list(self._late)
        for timer in timers:
            timer.cancel()
            self._give_back(timer)
            timer.join()

    def _leak_once(self, connections: int) -> None:
        if self._leak is not None:
            return
        with self._lock:
            if self._leak is None:
                # What the leak waits for is no wait of the request that happens to cause it.
                with suppress_instrumentation():
                    self._leak = self._database.leak_connections(connections)

    def _mend(self) -> None:
        if self._leak is None:
            return
        with self._lock:
            leak, self._leak = self._leak, None
        if leak is not None:
            leak.release()

    def _give_back_later(self, held: ExitStack, seconds: float) -> None:
        timer = threading.Timer(seconds, lambda: self._give_back(timer))
        timer.daemon = True
        with self._lock:
            self._late[timer] = held
        timer.start()

    def _give_back(self, timer: threading.Timer) -> None:
        with self._lock:
            held = self._late.pop(timer, None)
        if held is not None:
            held.close()
