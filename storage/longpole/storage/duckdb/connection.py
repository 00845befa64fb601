"""How a DuckDB instance of ours is set up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    import duckdb


def open_instance(
    spill: Path, memory_limit_bytes: int, threads: int, *, keeps_order: bool = False
) -> duckdb.DuckDBPyConnection:
    """An in-memory instance: bounded memory, spilling into `spill`, nothing downloaded.

    DuckDB is imported here and not with the module, so that a server accepts data before it
    has paid for the import.
    """
    import duckdb

    return duckdb.connect(
        ":memory:",
        config={
            "threads": threads,
            "memory_limit": f"{max(memory_limit_bytes, 64 << 20) >> 20}MiB",
            "temp_directory": str(spill),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "preserve_insertion_order": keeps_order,
        },
    )


def arrow_table(
    cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()
) -> pa.Table:
    """The whole answer to one query. (`execute(…).to_arrow_table()` makes one more copy in
    DuckDB 2, and says so in a warning.)"""
    return cursor.sql(sql, params=list(parameters)).to_arrow_table()
