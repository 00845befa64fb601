"""Definitions (resources, scopes, metric series) of rows that outlived them in a damaged file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from longpole.storage.duckdb.connection import arrow_table
from longpole.storage.duckdb.damage import is_damage
from longpole.storage.duckdb.hot import ID_COLUMN, SCHEMAS
from longpole.storage.duckdb.segment_info import TABLES_OF_KIND
from longpole.storage.duckdb.segment_writer import SegmentFile
from longpole.storage.duckdb.snapshot import Segment, Snapshot

if TYPE_CHECKING:
    import duckdb


def replace_definitions(
    cursor: duckdb.DuckDBPyConnection,
    name: str,
    damaged: Segment,
    snapshot: Snapshot,
    file: SegmentFile,
    lost: dict[str, int],
) -> list[str]:
    """Give every row of `file` that names a definition of the table `name` one again.

    An id is the hash of what it stands for, so the definition of any other file, or of a hot row,
    is the same.
    Where none has it, a span or log record gets one that says only the name of its service, and
    a metric point, which means nothing without its series, is lost. Corrects the counts in
    `lost`; returns clauses for people.
    """
    id_column = ID_COLUMN[name]
    if not file.row_count(name):
        file.append(name, SCHEMAS[name].empty_table())
    users = [
        table
        for table in TABLES_OF_KIND[damaged.kind]
        if table != name and id_column in SCHEMAS[table].names and file.row_count(table)
    ]
    missing = _missing(file, name, users)
    hot = snapshot.hot[name]
    is_missing = pc.is_in(hot.column(id_column), value_set=missing.column(id_column))
    file.append(name, hot.filter(is_missing).select(SCHEMAS[name].names).cast(SCHEMAS[name]))
    for other in snapshot.segments:
        if name in TABLES_OF_KIND[other.kind] and other.segment_id != damaged.segment_id:
            missing = _missing(file, name, users)
            if not missing.num_rows:
                break
            file.append(name, _found(cursor, other, name, missing.select([id_column])))
    missing = _missing(file, name, users)
    if not missing.num_rows:
        del lost[name]
        return [f"the {name} were found in other files"]
    lost[name] = missing.num_rows
    if name != "metric_series":
        file.append(name, _stand_ins(name, missing))
        return [f"what {missing.num_rows} {name} say of themselves"]
    before = file.row_count("metric_points")
    file.change(
        f"DELETE FROM {{file}}.metric_points WHERE {id_column} NOT IN "
        f"(SELECT {id_column} FROM {{file}}.metric_series)"
    )
    count = before - file.row_count("metric_points")
    lost["metric_points"] = lost.get("metric_points", 0) + count
    return [f"{count} metric_points of {missing.num_rows} series"]


def _missing(file: SegmentFile, name: str, users: Iterable[str]) -> pa.Table:
    """Ids that are used and not defined, each with the name of a service that uses it."""
    id_column = ID_COLUMN[name]
    used = " UNION ALL ".join(
        f"SELECT {id_column}, "
        f"{'service_name' if 'service_name' in SCHEMAS[user].names else repr('')} AS service_name "
        f"FROM {{file}}.{user}"
        for user in users
    )
    if not used:
        return pa.table(
            {id_column: pa.array([], pa.uint64()), "service_name": pa.array([], pa.string())}
        )
    return file.ask(
        f"SELECT {id_column}, max(service_name) AS service_name FROM ({used}) "
        f"ANTI JOIN {{file}}.{name} USING ({id_column}) GROUP BY 1 ORDER BY 1"
    )


def _found(
    cursor: duckdb.DuckDBPyConnection, other: Segment, name: str, wanted: pa.Table
) -> pa.Table:
    id_column = ID_COLUMN[name]
    cursor.register("missing_ids", wanted)
    try:
        return arrow_table(
            cursor,
            f"SELECT * FROM {other.alias}.{name} SEMI JOIN missing_ids USING ({id_column})",
        )
    except Exception as error:
        if not is_damage(error):
            raise
        return SCHEMAS[name].empty_table()
    finally:
        cursor.unregister("missing_ids")


def _stand_ins(name: str, missing: pa.Table) -> pa.Table:
    """Definitions without content, but for the service of a resource."""
    schema, id_column = SCHEMAS[name], ID_COLUMN[name]
    services = missing.column("service_name").to_pylist()
    columns = []
    for field in schema:
        if field.name == id_column:
            columns.append(missing.column(id_column).combine_chunks())
        elif field.name == "service_name":
            columns.append(pa.array(services, field.type))
        elif name == "resources" and field.name == "attr_str_keys":
            columns.append(pa.array([["service.name"]] * len(services), field.type))
        elif name == "resources" and field.name == "attr_str_vals":
            columns.append(pa.array([[service] for service in services], field.type))
        else:
            empty: object = (
                [] if pa.types.is_list(field.type) else "" if pa.types.is_string(field.type) else 0
            )
            columns.append(pa.array([empty] * len(services), field.type))
    return pa.Table.from_arrays(columns, schema=schema)
