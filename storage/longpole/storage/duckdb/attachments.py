"""The reading DuckDB instance and the segments attached to it, read-only."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from longpole.storage.duckdb.connection import open_instance

if TYPE_CHECKING:
    import duckdb


class Attachments:
    """One instance for all queries; made on first use, since the import takes a while."""

    def __init__(self, spill: Path, memory_limit_bytes: int, threads: int) -> None:
        self._spill = spill
        self._memory_limit_bytes = memory_limit_bytes
        self._threads = threads
        self._instance: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for one thread."""
        with self._lock:
            return self._open().cursor()

    def attach(self, alias: str, path: Path) -> None:
        """Attach a finished file; duckdb.Error when it is none."""
        text = str(path).replace("'", "''")
        with self._lock:
            self._open().execute(f"ATTACH '{text}' AS {alias} (READ_ONLY)")

    def detach(self, alias: str) -> None:
        """Detach a file. A query that reads it goes on until its transaction ends."""
        with self._lock:
            self._open().execute(f"DETACH DATABASE IF EXISTS {alias}")

    def close(self) -> None:
        """Give the instance back; its cursors are of no use afterwards."""
        with self._lock:
            if self._instance is not None:
                self._instance.close()
                self._instance = None

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self._instance is None:
            self._instance = open_instance(self._spill, self._memory_limit_bytes, self._threads)
        return self._instance
