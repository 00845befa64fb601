"""Shared databases: tables that two services write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TypeAlias

from longpole.analyzer.calls import DB_SYSTEM, QUERY_TEXT
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.chains import is_proxy
from longpole.analyzer.findings.detector import Detector, fingerprint_of
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.wording import counted, named
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import SpanKind

_MOST_SPAN_IDS = 50
_CLIENT = int(SpanKind.CLIENT)
_OPERATION = ("db.operation.name", "db.operation")
_TABLE = ("db.collection.name", "db.sql.table")
_NAMESPACE = ("db.namespace",)
_SERVER_ADDRESS = ("server.address", "net.peer.name")
# SQL verbs, and what document stores call theirs; keys of caches have no table to share.
_WRITE_NAMES = """
    insert update delete merge replace upsert truncate
    insertone insertmany updateone updatemany replaceone deleteone deletemany bulkwrite
    findandmodify findoneandupdate findoneandreplace findoneanddelete
    putitem updateitem deleteitem batchwriteitem transactwriteitems index bulk
"""
_WRITES = frozenset(_WRITE_NAMES.split())
_WRITTEN_TABLE = re.compile(
    r"^\s*(?:/\*.*?\*/\s*)?(insert|update|delete|merge|replace|truncate)\s+"
    r"(?:(?:low_priority|delayed|ignore|or\s+\w+|table|only|into|from)\s+)*"
    r"([\w.$\"`\[\]]+)",
    re.IGNORECASE | re.DOTALL,
)
_LONGEST_TEXT = 1_000
_SHORTEST_STEM = 4

# system, where, namespace and table
_Table: TypeAlias = tuple[str, str, str, str]


def _shared(explanation: Explanation, _: Thresholds) -> Iterator[Finding]:
    spans = explanation.spans
    writers: dict[_Table, dict[str, list[int]]] = {}
    systems = spans.texts(DB_SYSTEM)
    if systems is None:
        return
    for index, (kind, system) in enumerate(zip(spans.kinds, systems, strict=True)):
        if kind != _CLIENT:
            continue
        table = _table_written(spans, index, system) if system is not None else None
        if table is not None:
            writers.setdefault(table, {}).setdefault(spans.services[index], []).append(index)
    groups: dict[tuple[str, str], list[tuple[_Table, dict[str, list[int]]]]] = {}
    for table in sorted(writers):
        by_service = writers[table]
        if len(by_service) < 2:
            continue
        owner = _owner(spans, table, by_service)
        for guest in sorted(by_service):
            if guest != owner:
                groups.setdefault((owner, guest), []).append((table, by_service))
    for (owner, guest), tables in sorted(groups.items()):
        yield _finding(explanation, owner, guest, tables)


def _table_written(spans: PathSpans, index: int, system: str | None) -> _Table | None:
    """The table that a statement writes, where the span also says in which database: equal
    names alone would make all tables `orders` one."""
    operation = spans.text(index, _OPERATION)
    table = spans.text(index, _TABLE)
    if operation is None or table is None:
        text = spans.text(index, QUERY_TEXT)
        parsed = _written_by(text[:_LONGEST_TEXT]) if text is not None else None
        if parsed is None:
            return None
        operation, table = operation or parsed[0], table or parsed[1]
    if operation.lower() not in _WRITES or is_proxy(spans.services[index]):
        return None
    namespace = spans.text(index, _NAMESPACE) or ""
    address = spans.text(index, _SERVER_ADDRESS) or ""
    if not namespace and not address:
        return None
    return (str(system).lower(), address, namespace, table.strip('"`[]').lower())


@lru_cache(maxsize=4096)
def _written_by(text: str) -> tuple[str, str] | None:
    found = _WRITTEN_TABLE.match(text)
    return (found[1], found[2]) if found else None


def _owner(spans: PathSpans, table: _Table, writers: dict[str, list[int]]) -> str:
    """Whose table it is, most likely: the service named like it or like its database, else the
    one that writes more, else the one that wrote first."""
    names = (table[3], table[2].lower())

    def rank(service: str) -> tuple[int, int, int, str]:
        calls = writers[service]
        likeness = max(_likeness(service, name) for name in names)
        return (-likeness, -len(calls), min(spans.starts[i] for i in calls), service)

    return min(writers, key=rank)


def _likeness(service: str, name: str) -> int:
    """How long the longest word of a service's name is that `name` contains."""
    words = [word for word in re.split(r"[^a-z0-9]+", service.lower()) if word != "service"]
    return max(
        (len(word) for word in words if len(word) >= _SHORTEST_STEM and word in name), default=0
    )


def _finding(
    explanation: Explanation,
    owner: str,
    guest: str,
    tables: list[tuple[_Table, dict[str, list[int]]]],
) -> Finding:
    spans = explanation.spans
    written = [i for _, writers in tables for i in writers[guest]]
    beside = [i for _, writers in tables for i in writers[owner]]
    first = min(written, key=lambda i: (spans.starts[i], i))
    system, address, namespace, _ = tables[0][0]
    names = [named(table[3]) for table, _ in tables]
    told = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    place = named(namespace or address)
    return Finding(
        detector=SHARED_DATABASE.identifier,
        severity=FindingSeverity.WARNING,
        trace_id=explanation.trace_id,
        span_ids=tuple(spans.span_ids[i] for i in (*written, *beside))[:_MOST_SPAN_IDS],
        service=guest,
        operation=spans.names[first],
        saving_ns=0,
        reason=(
            f"{named(guest)} ({counted(len(written), 'write')}) and {named(owner)} "
            f"({counted(len(beside), 'write')}) both write {told} in {system} {place} within "
            "one request: neither can change the table, or lock it, without the other."
        ),
        action=(
            f"Let {named(owner)} own {told}, and have {named(guest)} ask it by a call or an "
            "event; or give each its own tables."
        ),
        fingerprint=fingerprint_of(
            SHARED_DATABASE.identifier, owner, guest, *(table[3] for table, _ in tables)
        ),
    )


SHARED_DATABASE = Detector(
    "shared_database",
    "Two services write the same table",
    "CLIENT spans of two services in one trace insert, update or delete in the same table "
    "(`db.collection.name`, else read from the query text) of the same system, server and "
    "namespace. The service named is the one that is less likely to own the table. A warning.",
    _shared,
)

DETECTORS: tuple[Detector, ...] = (SHARED_DATABASE,)
