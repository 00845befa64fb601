"""The patrol: looks after what was left lying, sagas without an owner, unpublished events and
orders that nobody decides."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from opentelemetry.instrumentation.utils import suppress_instrumentation

from shop.chassis.errors import ShopError
from shop.order.logic import OrderLogic

STOP_SECONDS = 3.0

_log = logging.getLogger("shop.order.patrol")


class Patrol:
    """A thread that looks every `every_seconds`. The looking leaves no spans; what it finds and
    does about it, does."""

    def __init__(self, logic: OrderLogic, every_seconds: float = 2.0) -> None:
        self._logic = logic
        self._every_seconds = every_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._walk, name="patrol", daemon=True)

    def start(self) -> None:
        """Begin with what an earlier life of this instance left behind."""
        self._thread.start()

    def stop(self) -> None:
        """Waits a while for the saga in hand. One that takes longer is left as it stands, for the
        next life of this instance to take up."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    def round(self, *, is_first: bool = False) -> None:
        """Look once. A failure is logged: the next round tries again."""
        self._try("recover sagas", lambda: self._recover(is_first))
        self._try("publish events", lambda: self._logic.outbox.sweep())
        self._try("end overdue orders", self._end_overdue)

    def _walk(self) -> None:
        self.round(is_first=True)
        while not self._stopping.wait(self._every_seconds):
            self.round()

    def _recover(self, is_first: bool) -> None:
        with suppress_instrumentation():
            found = self._logic.abandoned_sagas(of_owner=is_first)
        for saga_id in found:
            if self._stopping.is_set():
                return
            self._logic.recover(saga_id)

    def _end_overdue(self) -> None:
        with suppress_instrumentation():
            found = self._logic.overdue_orders()
        for order in found:
            if self._stopping.is_set():
                return
            self._logic.end_overdue(order)

    def _try(self, what: str, action: Callable[[], object]) -> None:
        try:
            action()
        except ShopError as error:
            _log.warning("cannot %s now: %s", what, error)
        except Exception:
            _log.exception("cannot %s now", what)
