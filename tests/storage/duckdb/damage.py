"""Flips single bytes in sealed segments, where a test wants them."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from longpole.storage.duckdb.damage import why_unreadable
from longpole.storage.duckdb.segment_info import TABLES_OF_KIND

HEADERS = 3 * 4096
BLOCK = 16_384  # of a segment of less than 50,000 rows


def segment_files(data_dir: Path, kind: str) -> list[Path]:
    """The sealed files of a kind, in order of their numbers."""
    files = (data_dir / "segments").glob(f"{kind}-*.duckdb")
    return sorted(files, key=lambda path: int(path.stem.rpartition("-")[2]))


def flip(path: Path, offset: int, bit: int = 3) -> None:
    """Change one bit in place."""
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1 << bit]))


def damage_table(path: Path, table: str) -> None:
    """Flip a byte that makes this table of a small segment unreadable, and no other."""
    kind = path.stem.rpartition("-")[0]
    tables = [*TABLES_OF_KIND[kind], "segment_info", "attribute_columns"]
    copy = path.with_name("copy.tmp")
    shutil.copy(path, copy)
    with duckdb.connect(config={"threads": 1}) as connection:
        for offset in range(HEADERS + 1000, path.stat().st_size, BLOCK):
            flip(copy, offset)
            if _unreadable(connection, copy, tables) == [table]:
                copy.rename(path)
                return
            flip(copy, offset)
    copy.unlink()
    raise AssertionError(f"no block of {path.name} belongs to {table} alone")


def _unreadable(connection: duckdb.DuckDBPyConnection, path: Path, tables: list[str]) -> list[str]:
    try:
        connection.execute(f"ATTACH '{path}' AS damaged (READ_ONLY)")
    except duckdb.Error:
        return ["the header"]
    try:
        return [t for t in tables if why_unreadable(connection, f"damaged.{t}")]
    finally:
        connection.execute("DETACH damaged")
