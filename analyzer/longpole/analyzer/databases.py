"""Databases: what families of them there are, and what helps with a slow answer of each."""

from __future__ import annotations

import re
from typing import NamedTuple


class Family(NamedTuple):
    """`noun` and `plural` are what one sends it; `slow` is the advice for one slow answer,
    `repeated` the one for many equal questions in a row."""

    noun: str
    plural: str
    slow: str
    repeated: str


_SQL = Family(
    "query",
    "queries",
    "Read the plan of this query (EXPLAIN): add the index it lacks, fetch less, or cache the "
    "answer. If the plan is good, look for locks and a full connection pool.",
    "Load them in one query (IN or JOIN) instead of one by one",
)
_KEY_VALUE = Family(
    "command",
    "commands",
    "Look at the server's slow log and at how big the value is; read only the fields that are "
    "needed. If the command itself is fast, look for a full connection pool and a busy server.",
    "Send them together (a pipeline, or one command for many keys) instead of one by one",
)
_DOCUMENT = Family(
    "query",
    "queries",
    "Ask the database how it runs this query (explain or profile): add the index it lacks, or "
    "fetch less. If it runs fast there, look for a full connection pool.",
    "Load them in one query (a list of ids) instead of one by one",
)
_UNKNOWN = Family(
    "query",
    "queries",
    "Look at how the database runs this: its slow log, its indexes, locks, how much is fetched, "
    "and the connection pool of the caller.",
    "Ask for all of them at once instead of one by one",
)

# Values of `db.system.name` and of the older `db.system`.
_NAMES = {
    _SQL: """
        postgresql mysql mariadb sqlite mssql microsoft.sql_server oracle oracle.db db2 ibm.db2
        cockroachdb clickhouse snowflake trino redshift aws.redshift gcp.spanner spanner h2
        h2database hsqldb derby other_sql sap.hana hanadb teradata vertica firebird firebirdsql
        duckdb actian.ingres ingres informix ibm.informix sybase softwareag.adabas
    """,
    _KEY_VALUE: "redis valkey memcached keydb dragonfly",
    _DOCUMENT: """
        mongodb elasticsearch opensearch couchdb couchbase cosmosdb azure.cosmosdb dynamodb
        aws.dynamodb cassandra neo4j
    """,
}
_SYSTEMS = {name: family for family, names in _NAMES.items() for name in names.split()}
_STARTS_LIKE_SQL = re.compile(
    r"\s*(?:\(\s*)*(?:select|insert|update|delete|with|merge|call|begin|commit)\b", re.IGNORECASE
)


def family_of(system: str | None, query: str | None) -> Family:
    """The family of a database by its `db.system`, else by how the query begins."""
    known = _SYSTEMS.get(system.strip().lower()) if system else None
    if known is not None:
        return known
    return _SQL if query and _STARTS_LIKE_SQL.match(query[:200]) else _UNKNOWN
