"""The manifest: the one truth about which segments exist and what they cover.

SQLite in WAL mode with `synchronous=FULL`: a change is one transaction and is on disk when
`commit` returns. Whoever dies before that has changed nothing.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from longpole.storage.duckdb.manifest_digest import has_digests, write_digests, wrong_table
from longpole.storage.ports import StorageError

# What a version before ours would misread has a new number; ours reads older ones and gives a
# directory its own number when it opens it for writing. 2: derived rows are folded (`folded`).
SCHEMA_VERSION = 2
_READABLE = (1, SCHEMA_VERSION)
_SCHEMA = Path(__file__).with_name("manifest.sql")


class ManifestDamaged(StorageError):
    """The file is no manifest, or SQLite finds it inconsistent."""


class ManifestVersionMismatch(StorageError):
    """Another version of Longpole wrote this data directory."""


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """What the manifest keeps of a segment; everything else is in the file itself.

    `stored_unix_nano` is when its youngest record was sealed.
    """

    segment_id: int
    kind: str
    row_count: int
    byte_count: int
    first_sequence: int
    last_sequence: int
    min_unix_nano: int
    max_unix_nano: int
    stored_unix_nano: int

    @property
    def file_name(self) -> str:
        """The name inside `segments/`."""
        return segment_file_name(self.kind, self.segment_id)


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """A service with the colour that it keeps for good."""

    name: str
    colour_index: int
    first_seen_unix_nano: int
    last_seen_unix_nano: int


@dataclass(frozen=True, slots=True)
class ManifestChange:
    """One transaction. None leaves a number as it is; `request_hashes` replaces the list.

    `superseded` maps a trace id to the revision up to which its derived rows are hidden;
    `unsuperseded` are entries whose hidden rows are gone from every file. `reopened` maps a
    trace that lost spans to the row ids it has left; `explained` are those settled since.
    `counts` are added to the numbers of `meta`.
    """

    added: tuple[SegmentEntry, ...] = ()
    removed: tuple[int, ...] = ()
    sealed_through: int | None = None
    settled_through: int | None = None
    next_segment_id: int | None = None
    duplicate_spans: int = 0
    superseded: Mapping[int, int] = field(default_factory=dict)
    unsuperseded: Mapping[int, int] = field(default_factory=dict)
    reopened: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    explained: Iterable[int] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    request_hashes: Iterable[tuple[bytes, int, int]] | None = None
    attribute_keys: Mapping[tuple[str, str], str] = field(default_factory=dict)
    services: Iterable[ServiceEntry] = ()

    def tables(self) -> list[str]:
        """The tables with digests that this touches."""
        touched = {
            "meta": True,
            "segments": self.added or self.removed,
            "superseded": self.superseded or self.unsuperseded,
            "reopened": self.reopened or self.explained,
            "attribute_keys": self.attribute_keys,
            "services": self.services,
        }
        return [name for name, is_touched in touched.items() if is_touched]


class Manifest:
    """An open manifest; any thread may use it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Manifest:
        """Open or create. Raises `ManifestDamaged` or `ManifestVersionMismatch`."""
        connection: sqlite3.Connection | None = None
        try:
            connection = _connected(path) if not read_only else _connected_to_read(path)
            if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("quick_check found damage")
            row = connection.execute("SELECT value FROM meta WHERE key='schema_version'").fetchone()
            version = row[0] if row else None
            if not isinstance(version, int) or version < 1:
                raise sqlite3.DatabaseError(f"no version has the number {version!r}")
            wrong = wrong_table(connection) if version in _READABLE else None
            if wrong is not None:
                raise sqlite3.DatabaseError(f"the table {wrong} is not what was written")
        except (sqlite3.Error, UnicodeError, ValueError) as error:
            if connection is not None:
                connection.close()
            raise ManifestDamaged(f"the manifest {path.name} cannot be read: {error}") from error
        if version not in _READABLE:
            connection.close()
            raise ManifestVersionMismatch(
                f"the data directory has manifest version {version}, this Longpole understands "
                f"versions up to {SCHEMA_VERSION}; nothing was changed. Start the version that "
                "wrote it, or choose another --data-dir."
            )
        return cls(connection)

    def number(self, key: str) -> int:
        """A number of `meta`; 0 when it was never written."""
        rows = self._rows("SELECT value FROM meta WHERE key=?", (key,))
        return int(rows[0][0]) if rows else 0

    @property
    def sealed_through(self) -> int:
        """Every frame up to this sequence number is in segments."""
        return self.number("sealed_through")

    @property
    def settled_through(self) -> int:
        """Every trace is explained up to this sequence number, by derived rows in segments."""
        return self.number("settled_through")

    def segments(self) -> tuple[SegmentEntry, ...]:
        """All segments, oldest first."""
        return tuple(
            SegmentEntry(*row) for row in self._rows("SELECT * FROM segments ORDER BY segment_id")
        )

    def superseded(self) -> dict[int, int]:
        """Trace id to the highest hidden revision."""
        rows = self._rows("SELECT trace_id, revision FROM superseded")
        return {int.from_bytes(trace_id, "big"): revision for trace_id, revision in rows}

    def reopened(self) -> dict[int, tuple[int, int]]:
        """Traces that lost spans to retention, to the first and last row id they have left."""
        if not self._rows("SELECT 1 FROM sqlite_master WHERE name='reopened'"):
            return {}  # an older version wrote it, and we only read
        rows = self._rows("SELECT * FROM reopened")
        return {int.from_bytes(trace_id, "big"): (low, high) for trace_id, low, high in rows}

    def counts(self, prefix: str) -> dict[str, int]:
        """The numbers of `meta` whose names begin like this."""
        rows = self._rows("SELECT key, value FROM meta WHERE key GLOB ? || '*'", (prefix,))
        return {key: int(value) for key, value in rows}

    def request_hashes(self) -> list[tuple[bytes, int, int]]:
        """(hash, sequence number, arrival) of requests whose frames may be gone."""
        return [(h, s, a) for h, s, a in self._rows("SELECT * FROM request_hashes")]

    def attribute_keys(self) -> dict[tuple[str, str], str]:
        """(scope, key) to SQL type."""
        rows = self._rows("SELECT scope, key, type FROM attribute_keys")
        return {(scope, key): sql_type for scope, key, sql_type in rows}

    def services(self) -> tuple[ServiceEntry, ...]:
        """All services by colour."""
        rows = self._rows("SELECT * FROM services ORDER BY colour_index")
        return tuple(ServiceEntry(*row) for row in rows)

    def commit(self, change: ManifestChange) -> None:
        """Apply a change as one durable transaction; sqlite3.Error leaves all as it was."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._apply(change)
                write_digests(self._db, change.tables())
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            try:
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            # The write-ahead log is a second file that can be lost on its own: it is folded
            # in at once. A reader in another process may hold it up until the next commit.
            with suppress(sqlite3.Error):
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._db.close()

    def _apply(self, change: ManifestChange) -> None:
        db = self._db
        db.executemany("DELETE FROM segments WHERE segment_id=?", [(i,) for i in change.removed])
        db.executemany(
            "INSERT INTO segments VALUES (?,?,?,?,?,?,?,?,?)",
            [
                (s.segment_id, s.kind, s.row_count, s.byte_count, s.first_sequence,
                 s.last_sequence, s.min_unix_nano, s.max_unix_nano, s.stored_unix_nano)
                for s in change.added
            ],
        )  # fmt: skip
        for key in ("sealed_through", "settled_through", "next_segment_id"):
            value = getattr(change, key)
            if value is not None:
                # These only grow: a late writer must not move a mark back.
                db.execute(
                    "INSERT INTO meta VALUES (?,?) ON CONFLICT(key) DO UPDATE "
                    "SET value=max(value, excluded.value)",
                    (key, value),
                )
        counts = {"duplicate_spans": change.duplicate_spans, **change.counts}
        db.executemany(
            "INSERT INTO meta VALUES (?,?) ON CONFLICT(key) DO UPDATE "
            "SET value=value+excluded.value",
            [(key, number) for key, number in counts.items() if number],
        )
        db.executemany(
            "INSERT OR REPLACE INTO reopened VALUES (?,?,?)",
            [(_trace_bytes(t), *rows) for t, rows in change.reopened.items()],
        )
        db.executemany(
            "DELETE FROM reopened WHERE trace_id=?", [(_trace_bytes(t),) for t in change.explained]
        )
        db.executemany(
            "INSERT INTO superseded VALUES (?,?) ON CONFLICT(trace_id) DO UPDATE "
            "SET revision=max(revision, excluded.revision)",
            [(_trace_bytes(t), r) for t, r in change.superseded.items()],
        )
        db.executemany(
            "DELETE FROM superseded WHERE trace_id=? AND revision<=?",
            [(_trace_bytes(t), r) for t, r in change.unsuperseded.items()],
        )
        if change.request_hashes is not None:
            db.execute("DELETE FROM request_hashes")
            db.executemany("INSERT INTO request_hashes VALUES (?,?,?)", change.request_hashes)
        db.executemany(
            "INSERT OR REPLACE INTO attribute_keys VALUES (?,?,?)",
            [(scope, key, t) for (scope, key), t in change.attribute_keys.items()],
        )
        db.executemany(
            "INSERT OR REPLACE INTO services VALUES (?,?,?,?)",
            [
                (s.name, s.colour_index, s.first_seen_unix_nano, s.last_seen_unix_nano)
                for s in change.services
            ],
        )

    def _rows(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, parameters).fetchall()


def segment_file_name(kind: str, segment_id: int) -> str:
    """`spans-17.duckdb`."""
    return f"{kind}-{segment_id}.duckdb"


def _connected(path: Path) -> sqlite3.Connection:
    connection = _open(path, "mode=rwc")
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _connected_to_read(path: Path) -> sqlite3.Connection:
    """SQLite wants to create a file beside the database even to read it: where it cannot (a
    medium that is read-only), the manifest and its log are copied into memory."""
    connection = _open(path, "mode=ro")
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
    else:
        return connection
    with TemporaryDirectory(prefix="longpole-") as folder:
        copy = Path(folder) / path.name
        try:
            shutil.copyfile(path, copy)
            log = path.with_name(path.name + "-wal")
            if log.is_file():
                shutil.copyfile(log, copy.with_name(log.name))
        except OSError as error:
            raise sqlite3.OperationalError(str(error)) from error
        source = _open(copy, "mode=rw")
        connection = _open(Path("manifest"), "mode=memory")
        try:
            source.backup(connection)
        except sqlite3.Error:
            connection.close()
            raise
        finally:
            source.close()
    return connection


def _open(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{_quoted(path)}?{mode}", uri=True, check_same_thread=False, timeout=10
    )
    connection.isolation_level = None
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    is_new = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not is_new:
        # Of a later version nothing is touched, nor is what is damaged; an earlier one may lack a
        # table that came later.
        row = connection.execute("SELECT value FROM meta WHERE key='schema_version'").fetchone()
        version = row[0] if row else None
        if version == SCHEMA_VERSION and has_digests(connection):
            return
        if version not in _READABLE or wrong_table(connection) is not None:
            return
    stamp = f"INSERT OR REPLACE INTO meta VALUES ('schema_version', {SCHEMA_VERSION});"
    connection.executescript(f"BEGIN; {_SCHEMA.read_text()} {stamp}")
    write_digests(connection)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _trace_bytes(trace_id: int) -> bytes:
    return trace_id.to_bytes(16, "big")


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
