"""Runs the SQL of people and programs in an instance of DuckDB that can reach nothing else."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

from longpole.storage.duckdb.read.identifiers import quote_identifier, quote_literal
from longpole.storage.duckdb.read.part import KIND_OF_TABLE, register_hot
from longpole.storage.duckdb.read.pinned import lower_ids, pinned_traces
from longpole.storage.duckdb.read.question import (
    ATTR_COLUMN,
    VIEWS,
    Question,
    read_question,
    refuse_monstrous,
    replace_attr_calls,
)
from longpole.storage.duckdb.read.search import state_notices
from longpole.storage.duckdb.read.value_size import refuse_huge_values
from longpole.storage.duckdb.read.views import Plan, plan_views, view_sql
from longpole.storage.duckdb.snapshot import Snapshot, SnapshotSource
from longpole.storage.ports import QueryRefused, QueryTimedOut, SqlAnswer

if TYPE_CHECKING:
    import duckdb

MAX_ANSWER_BYTES = 64 << 20
_BATCH_ROWS = 2048  # as many as DuckDB handles at a time: large values must not pile up
_INTERRUPT_AGAIN_SECONDS = 0.05
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_unsigned_extensions": "false",
    "python_enable_replacements": "false",
}
_COMMENTS = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)+", re.DOTALL)
# ANALYZE would run the query, and brackets hold options: both are refused with a sentence.
_EXPLAIN = re.compile(r"EXPLAIN\b(?!\s*\()(?!\s+ANALY[ZS]E\b)", re.IGNORECASE)
_ATTR_COLUMN = re.compile(rf"""(["']?)(?:(\w+)\.)?({ATTR_COLUMN}\d+)\1""")
_LOCKS = ("SET enable_external_access = false", "SET lock_configuration = true")


def run_sql(
    source: SnapshotSource,
    text: str,
    max_rows: int,
    timeout_seconds: float,
    memory_limit_bytes: int,
    threads: int,
) -> SqlAnswer:
    """Answer one SELECT as `SqlReader.sql` promises."""
    import duckdb  # late: a server accepts data before it has paid for this import

    comments = _COMMENTS.match(text)
    stripped = text[comments.end() if comments else 0 :].strip().rstrip(";").strip()
    if stripped.lower() in ("show tables", "show views", "show all tables"):
        with source.lease() as lease:
            notices = state_notices(lease.snapshot)
        return SqlAnswer(pa.table({"name": pa.array(VIEWS)}), notices=notices)
    with source.lease() as lease, _private_instance(memory_limit_bytes, threads) as connection:
        explains = _EXPLAIN.match(stripped)
        text = stripped[explains.end() :] if explains else text
        question = _read(connection, text)
        plan = plan_views(question, lease.snapshot.attribute_types)
        replace_attr_calls(question, plan.attr_columns)
        if lower_ids(question) or plan.attr_columns:
            changed = json.dumps(question.tree)
            text = str(_one(connection, "SELECT json_deserialize_sql(?)", changed))
        text = f"EXPLAIN {text}" if explains else text
        _attach(connection, lease.snapshot, question)
        pins = pinned_traces(question)
        for name, view in plan.views.items():
            body = view_sql(view, lease.snapshot, pins.get(name))
            connection.execute(f"CREATE TEMP VIEW {quote_identifier(name)} AS {body}")
        for lock in _LOCKS:
            connection.execute(lock)
        with _time_limit(connection, timeout_seconds) as timer:
            try:
                rows, is_truncated, cut = _fetch(connection, text, max_rows)
            except duckdb.InterruptException:
                raise QueryTimedOut(
                    f"the query was stopped after {timeout_seconds:g} s: narrow it down in time,"
                    " or allow more"
                ) from None
            # Arrow hands on what fails while it reads as an OSError.
            except (duckdb.Error, OSError, pa.ArrowException) as reason:
                if timer.is_set():
                    raise QueryTimedOut(f"stopped after {timeout_seconds:g} s") from None
                raise QueryRefused(_explained(reason, question, plan)) from None
        return SqlAnswer(rows, is_truncated, cut + plan.notices + state_notices(lease.snapshot))


@contextmanager
def _private_instance(memory_limit: int, threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of its own: what is locked here is locked for nobody else."""
    import duckdb

    connection = duckdb.connect(":memory:", config=_CONFIG)
    try:
        connection.execute(f"SET memory_limit = '{memory_limit // (1 << 20)}MiB'")
        connection.execute(f"SET threads = {threads}")
        connection.execute("SET temp_directory = ''")
        yield connection
    finally:
        connection.close()


def _read(connection: duckdb.DuckDBPyConnection, text: str) -> Question:
    refuse_monstrous(text)
    question = read_question(str(_one(connection, "SELECT json_serialize_sql(?)", text)))
    refuse_huge_values(question.tree)
    return question


def _one(connection: duckdb.DuckDBPyConnection, sql: str, argument: str) -> object:
    import duckdb

    try:
        rows = connection.execute(sql, [argument]).fetchall()
    except duckdb.Error as reason:
        raise QueryRefused(f"the SQL cannot be read: {reason}") from None
    return rows[0][0]


def _attach(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, question: Question) -> None:
    kinds = {KIND_OF_TABLE[view] for view in question.views}
    for segment in snapshot.segments:
        if segment.kind in kinds:
            path = quote_literal(str(segment.path))
            alias = quote_identifier(segment.alias)
            connection.execute(f"ATTACH {path} AS {alias} (READ_ONLY)")
    register_hot(connection, snapshot)


def _fetch(
    connection: duckdb.DuckDBPyConnection, text: str, max_rows: int
) -> tuple[pa.Table, bool, tuple[str, ...]]:
    """At most `max_rows` rows and `MAX_ANSWER_BYTES`, read batch by batch so that a big
    answer is never whole; whether there are more, and a notice when the bytes were it."""
    reader = connection.sql(text).to_arrow_reader(min(max_rows + 1, _BATCH_ROWS))
    batches: list[pa.RecordBatch] = []
    count = room = 0
    left = MAX_ANSWER_BYTES
    for batch in reader:
        room = _fitting(batch, left)
        batches.append(batch.slice(0, room))
        count += room
        left -= batch.nbytes
        if room < batch.num_rows or count > max_rows:
            break
    table = pa.Table.from_batches(batches, reader.schema)
    if batches and room < batch.num_rows and count <= max_rows:
        megabytes = MAX_ANSWER_BYTES >> 20
        notice = f"an answer has at most {megabytes} MiB: only the first {count:,} rows are shown"
        return table, True, (notice,)
    return table.slice(0, max_rows), count > max_rows, ()


def _fitting(batch: pa.RecordBatch, size: int) -> int:
    """How many of the first rows have at most that many bytes."""
    if batch.nbytes <= size:
        return int(batch.num_rows)
    low, high = 0, batch.num_rows
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if batch.slice(0, middle).nbytes <= size else (low, middle)
    return int(low)


@contextmanager
def _time_limit(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[threading.Event]:
    """Interrupts the connection when time is up, again and again: an interrupt that comes
    between two statements is forgotten by DuckDB."""
    done = threading.Event()
    is_over = threading.Event()

    def watch() -> None:
        wait = seconds
        while not done.wait(wait):
            is_over.set()
            connection.interrupt()
            wait = _INTERRUPT_AGAIN_SECONDS

    thread = threading.Thread(target=watch, name="sql-time-limit", daemon=True)
    thread.start()
    try:
        yield is_over
    finally:
        done.set()
        thread.join()


def _explained(reason: Exception, question: Question, plan: Plan) -> str:
    # An internal error of DuckDB carries a stack trace with paths of this machine.
    message = str(reason).partition("Stack Trace:")[0].rstrip()
    keys = {column: key for (_, key), column in plan.attr_columns.items()}
    message = _ATTR_COLUMN.sub(lambda found: _attr_call(found, keys), message)
    dotted = [f"{q}.{n}" for q, n in question.names if q and q.lower() not in question.tables]
    if dotted and "Binder Error" in message:
        message += f'\nAn attribute key stands in double quotes: "{dotted[0]}"'
    return message


def _attr_call(found: re.Match[str], keys: Mapping[str, str]) -> str:
    """What the person wrote, or could write, where DuckDB speaks of a column of ours."""
    _, qualifier, column = found.groups()
    key = quote_literal(keys.get(column, ""))
    return f"attr({qualifier}, {key})" if qualifier else f"attr({key})"
