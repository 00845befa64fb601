"""The fault `payment-missing-index`: an import of old card history, as it goes wrong in life.

Somebody dropped the index, because an import is faster without it, and the import goes on and on:

    index   ████ dropped ─────────────────────────────── made again ████
    rows    ▁▁▁▂▂▃▃▄▄▅▅▆▆▇▇ batches, several a second ──── removed  ▁▁▁▁

Meanwhile each charge scans a longer table than the one before. What a scan costs the processor is
real; what it costs in life, waiting for pages that no longer fit into memory, is added to the
statement, because a small table on a fast disk would have to fill the machine to get there.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from opentelemetry.instrumentation.utils import suppress_instrumentation

from shop.chassis.errors import ShopError
from shop.chassis.ports import Database, Faults
from shop.payment.tables import CREATE_INDEX, DELETE_IMPORT, DROP_INDEX, IMPORT_HISTORY

FAULT = "payment-missing-index"
BATCH_SECONDS = 0.25
MAX_ROWS = 1_500_000
"""Where the import ends by itself: on SQLite a scan then takes a twentieth of a second of the
processor, so a few charges a second do not use up the machine, and a second of the disk."""
ROW_BYTES = 44
"""What a row takes in the file of SQLite."""
SCAN = "SELECT card_history"

_log = logging.getLogger("shop.payment")


class HistoryImport:
    """Imports on a thread of its own while the fault is on."""

    def __init__(
        self, database: Database, faults: Faults, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._faults = faults
        self._clock = clock
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history-import", daemon=True)
        self._is_under_way = False
        self._batch = 0
        self._disk_bytes_per_second = math.inf
        self.rows = 0
        database.delay_statements(SCAN, self.disk_seconds)

    def start(self) -> None:
        """Watch the fault. What an import left behind that was cut short is removed first."""
        self._run_sql(DELETE_IMPORT)
        self._thread.start()

    def stop(self) -> None:
        """End the import that is under way, if there is one."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def disk_seconds(self) -> float:
        """How long a scan waits for the rows that were imported."""
        seconds = self.rows * ROW_BYTES / self._disk_bytes_per_second
        if seconds:
            self._faults.acted(FAULT)
        return seconds

    def step(self) -> None:
        """Begin, go on or end, as the fault says: one batch at most."""
        parameters = self._faults.active(FAULT)
        if parameters is None:
            if self._is_under_way:
                self._end()
            return
        self._disk_bytes_per_second = float(parameters["disk_megabytes_per_second"]) * 1e6
        if not self._is_under_way:
            self._run_sql(DROP_INDEX)
            self._is_under_way = True
        rows = min(
            round(float(parameters["rows_per_second"]) * BATCH_SECONDS), MAX_ROWS - self.rows
        )
        if rows > 0:
            self._batch += 1
            now = round(self._clock() * 1000)
            self._run_sql(IMPORT_HISTORY, rows=rows, now_unix_ms=now, batch=self._batch)
            self.rows += rows

    def _end(self) -> None:
        self._run_sql(DELETE_IMPORT)
        self._run_sql(CREATE_INDEX)
        self._is_under_way = False
        self.rows = 0

    def _run(self) -> None:
        while not self._stopped.wait(BATCH_SECONDS):
            try:
                self.step()
            except ShopError as error:
                _log.warning("the import of card history is held up: %s", error)
        if self._is_under_way:
            self._end()

    def _run_sql(self, sql: str, **parameters: int) -> None:
        # The shop's own traces are about its customers; what the operator does is not in them.
        with suppress_instrumentation(), self._database.transaction() as transaction:
            transaction.execute(sql, **parameters)
