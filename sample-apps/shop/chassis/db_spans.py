"""Spans of database statements, as the stable conventions for databases have them.

They are made here and not by opentelemetry-instrumentation-sqlalchemy, because its spans end when
the driver has the first row. SQLite does the work of a query while its rows are fetched, so most
of a slow query would be missing from its span. Its names and its pool metric would also carry the
path of the database file, and it writes no `db.collection.name`, `db.query.summary`, `error.type`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter

from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.metrics import Meter
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from shop.chassis.durations import DATABASE_BOUNDARIES, seconds_histogram

READS = frozenset({"SELECT", "EXPLAIN", "PRAGMA", "SHOW"})

_NAME = r'["`]?([A-Za-z_][\w.]*)["`]?'
_TABLE = {
    "SELECT": re.compile(rf"\bFROM\s+{_NAME}", re.I),
    "DELETE": re.compile(rf"\bFROM\s+{_NAME}", re.I),
    "INSERT": re.compile(rf"\bINTO\s+{_NAME}", re.I),
    "UPDATE": re.compile(rf"\bUPDATE\s+{_NAME}", re.I),
    "CREATE": re.compile(rf"\b(?:ON|TABLE(?:\s+IF\s+NOT\s+EXISTS)?)\s+{_NAME}", re.I),
    "DROP": re.compile(rf"\b(?:TABLE|INDEX)(?:\s+IF\s+EXISTS)?\s+{_NAME}", re.I),
    "ALTER": re.compile(rf"\bTABLE\s+{_NAME}", re.I),
}
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.S)
_INNERMOST = re.compile(r"\([^()]*\)")
_VERB = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE)\b", re.I)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a span says about one SQL statement. `table` is empty where there is none."""

    operation: str
    table: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.operation} {self.table}".rstrip()

    @property
    def is_write(self) -> bool:
        return self.operation not in READS


@lru_cache(maxsize=512)
def statement_of(sql: str) -> Statement:
    """Read the operation and the first table out of a statement; literals stand in it only where
    the program wrote them, because values are bound as parameters."""
    text = " ".join(_COMMENT.sub(" ", sql).split())
    outer = text
    while (shorter := _INNERMOST.sub(" ? ", outer)) != outer:
        outer = shorter
    word = outer.split(maxsplit=1)[0].upper() if outer.strip() else ""
    if word == "WITH" and (verb := _VERB.search(outer)):
        word, outer = verb[1].upper(), outer[verb.start() :]
    pattern = _TABLE.get(word)
    found = pattern.search(outer) or pattern.search(text) if pattern else None
    return Statement(word, found[1] if found else "", text)


class StatementSpans:
    """Writes a CLIENT span and a duration for every statement of one database."""

    def __init__(self, tracer: Tracer, meter: Meter, about: Mapping[str, AttributeValue]) -> None:
        """`about` is said of every statement: db.system.name, db.namespace, server.address."""
        self._tracer = tracer
        self._about = dict(about)
        self._durations = seconds_histogram(
            meter,
            "db.client.operation.duration",
            "How long statements of the database take.",
            DATABASE_BOUNDARIES,
        )

    @contextmanager
    def statement(self, statement: Statement) -> Iterator[Span]:
        """Around one statement, its rows included. An error marks the span and goes on."""
        if not is_instrumentation_enabled():
            yield INVALID_SPAN
            return
        short = self._about | {"db.operation.name": statement.operation}
        if statement.table:
            short["db.collection.name"] = statement.table
        long = short | {"db.query.summary": statement.name, "db.query.text": statement.text}
        begin = perf_counter()
        with self._tracer.start_as_current_span(
            statement.name,
            kind=SpanKind.CLIENT,
            attributes=long,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except BaseException as error:
                cause = getattr(error, "orig", None) or error
                short["error.type"] = type(cause).__qualname__
                span.set_attribute("error.type", type(cause).__qualname__)
                span.set_status(Status(StatusCode.ERROR, str(cause)))
                raise
            finally:
                self._durations.record(perf_counter() - begin, short)
