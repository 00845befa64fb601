"""Checksums of the manifest's tables: SQLite notices a broken structure, not a changed value.

Each change writes the CRC32C of every table that it touched in the same transaction, and opening
compares them all. `request_hashes` has none: it is big and rewritten by every seal, and a wrong
hash there costs no more than one repeat that is not known again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from crc32c import crc32c

# Tables with the columns that order them.
TABLES = {
    "meta": "key",
    "segments": "segment_id",
    "superseded": "trace_id",
    "reopened": "trace_id",
    "attribute_keys": "scope, key",
    "services": "name",
}

_COUNTED = ("expired_by_", "lost_", "journal_", "duplicate_spans")


def write_digests(db: sqlite3.Connection, tables: Iterable[str] = tuple(TABLES)) -> None:
    """Note the present content of these tables, within the transaction that is under way."""
    db.executemany(
        "INSERT OR REPLACE INTO digests VALUES (?,?)",
        [(name, table_digest(db, name)) for name in sorted(set(tables))],
    )


def wrong_table(db: sqlite3.Connection) -> str | None:
    """The first table that is not what it was written as; None when all are, or when the
    manifest is of a time before there were digests."""
    db.execute("BEGIN")  # another process may commit meanwhile
    try:
        if not has_digests(db):
            return None
        noted = dict(db.execute("SELECT name, crc FROM digests").fetchall())
        return next((name for name in TABLES if noted.get(name) != table_digest(db, name)), None)
    finally:
        db.execute("ROLLBACK")


def kept_counts(path: Path) -> dict[str, int]:
    """What a damaged manifest had counted, if that table of it is as it was written; else {}."""
    try:
        uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as db:
            noted = dict(db.execute("SELECT name, crc FROM digests").fetchall())
            if noted.get("meta") != table_digest(db, "meta"):
                return {}
            counts = dict(db.execute("SELECT key, value FROM meta").fetchall())
    except (sqlite3.Error, UnicodeError, ValueError):
        return {}
    return {key: count for key, count in counts.items() if key.startswith(_COUNTED)}


def has_digests(db: sqlite3.Connection) -> bool:
    """Whether the manifest keeps digests."""
    return bool(db.execute("SELECT 1 FROM sqlite_master WHERE name='digests'").fetchone())


def table_digest(db: sqlite3.Connection, name: str) -> int:
    """CRC32C over all rows in order. Raises sqlite3.Error when they cannot be read."""
    crc = 0
    for row in db.execute(f"SELECT * FROM {name} ORDER BY {TABLES[name]}"):
        crc = crc32c(repr(row).encode("utf-8", "surrogatepass"), crc)
    return int(crc)
