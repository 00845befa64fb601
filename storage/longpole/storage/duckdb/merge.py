"""The rows of several segments of one kind, read together by ranges of their sort key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa

from longpole.model.ids import join_trace_id
from longpole.storage.duckdb import parents
from longpole.storage.duckdb.connection import arrow_table
from longpole.storage.duckdb.folded import DICTIONARIES, FOLDED_TABLES, TRACES, read_dictionary
from longpole.storage.duckdb.folding import Folder, Ints, moved
from longpole.storage.duckdb.hot import ID_COLUMN, SCHEMAS
from longpole.storage.duckdb.ranges import cuts_of, range_key, row_group_rows
from longpole.storage.duckdb.segment_info import RECORDS_OF_KIND, TABLES_OF_KIND
from longpole.storage.duckdb.segment_writer import TraceIds, sort_rows
from longpole.storage.duckdb.snapshot import AttributeColumn, Segment
from longpole.storage.duckdb.typed_columns import (
    TABLES_WITH_TYPED_COLUMNS,
    TYPED,
    common_columns,
    realigned,
)
from longpole.storage.duckdb.unfolding import unfolded

if TYPE_CHECKING:
    import duckdb

_Bound: TypeAlias = tuple[int, ...] | None


class SegmentMerge:
    """Reads the old files; the caller writes. `note` sees what is written, for the info.

    Rows that `superseded` hides are left out for good: it must outlive a crash.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        cursor: duckdb.DuckDBPyConnection,
        superseded: Mapping[int, int],
    ) -> None:
        self.kind = segments[0].kind
        self.row_count = sum(segment.row_count for segment in segments)
        self.written_rows = 0
        self._segments = segments
        self._cursor = cursor
        self.superseded = dict(superseded) if self.kind == "derived" else {}
        self._chunk_rows = row_group_rows(self.kind)
        self._key = range_key(self.kind)
        self.trace_ids = TraceIds(self.kind)
        self.attribute_columns = self._choose_columns()
        self._moves: dict[int, dict[str, Ints] | None] = {}

    def chunks(self, folder: Folder) -> Iterator[dict[str, pa.Table]]:
        """The rows of all tables, range after range, with the typed columns of the new file;
        definitions come with the first. Derived rows come as the file of the `folder` keeps
        them."""
        bounds = [None, *self._bounds(), None]
        # No name for what is yielded: it would stay in memory until the next piece is there.
        for number, (low, high) in enumerate(zip(bounds, bounds[1:], strict=False)):
            if self.kind == "derived":
                yield self._derived(folder, low, high)
            else:
                yield self._plain(low, high, with_definitions=number == 0)

    def note(self, table_name: str, table: pa.Table) -> None:
        """These rows are written."""
        self.trace_ids.note(table_name, table)
        if table_name == RECORDS_OF_KIND[self.kind][0]:
            self.written_rows += table.num_rows

    def _choose_columns(self) -> tuple[AttributeColumn, ...]:
        chosen: list[AttributeColumn] = []
        for table_name in TABLES_WITH_TYPED_COLUMNS:
            if table_name not in TABLES_OF_KIND[self.kind]:
                continue
            counts: Counter[tuple[str, str]] = Counter()
            for segment in self._segments:
                counts += self._key_counts(segment, table_name)
            chosen += common_columns(table_name, counts, self.row_count)
        return tuple(chosen)

    def _key_counts(self, segment: Segment, table_name: str) -> Counter[tuple[str, str]]:
        counts: Counter[tuple[str, str]] = Counter()
        target = f"{segment.alias}.{table_name}"
        own = [c for c in segment.attribute_columns if c.table_name == table_name]
        if own:
            fields = ", ".join(f"count({column.column_name})" for column in own)
            values = self._cursor.execute(f"SELECT {fields} FROM {target}").fetchall()[0]
            for column, count in zip(own, values, strict=True):
                counts[(column.key, column.type)] += count
        for type_name in ("str", "int", "dbl", "bool"):
            rows = self._cursor.execute(
                f"SELECT key, count(*) FROM (SELECT unnest(attr_{type_name}_keys) AS key "
                f"FROM {target}) GROUP BY key"
            ).fetchall()
            for key, count in rows:
                counts[(key, type_name)] += count
        return counts

    def _bounds(self) -> list[tuple[int, ...]]:
        """Sort keys that cut the whole into chunks of about the same size."""
        pieces = -(-self.row_count // self._chunk_rows)
        if pieces < 2:
            return []
        table_name = RECORDS_OF_KIND[self.kind][0]
        step = max(1, self._chunk_rows // 256)
        sample: list[tuple[int, ...]] = []
        for segment in self._segments:
            sample += self._cursor.execute(
                f"SELECT {', '.join(self._key)} FROM {segment.alias}.{table_name} "
                f"WHERE rowid % {step} = 0"
            ).fetchall()
        return cuts_of(sorted(sample), pieces)

    def _rows(self, table_name: str, low: _Bound, high: _Bound) -> pa.Table:
        """The rows of one table with low <= key < high, canonical but for the typed columns that
        the new file has."""
        chosen = [c for c in self.attribute_columns if c.table_name == table_name]
        schema = SCHEMAS[table_name]
        for column in chosen:
            schema = schema.append(pa.field(column.column_name, TYPED[column.type]))
        parts = []
        for segment in self._segments:
            table = self._read(f"{segment.alias}.{table_name}", low, high, _of(segment, table_name))
            held = [c for c in segment.attribute_columns if c.table_name == table_name]
            parts.append(_in_schema(realigned(table, held, chosen), schema))
        return pa.concat_tables(parts)

    def _plain(self, low: _Bound, high: _Bound, *, with_definitions: bool) -> dict[str, pa.Table]:
        """The rows of all tables with low <= key < high."""
        tables: dict[str, pa.Table] = {}
        for name in TABLES_OF_KIND[self.kind]:
            if name not in ID_COLUMN:
                tables[name] = self._rows(name, low, high)
            elif with_definitions:
                tables[name] = _once(self._rows(name, None, None), ID_COLUMN[name])
        return tables

    def _derived(self, folder: Folder, low: _Bound, high: _Bound) -> dict[str, pa.Table]:
        """The derived rows with low <= key < high, folded."""
        parts: dict[str, list[pa.Table]] = {name: [] for name in TABLES_OF_KIND["derived"]}
        for segment in self._segments:
            if segment.segment_id not in self._moves:
                self._moves[segment.segment_id] = self._moves_of(folder, segment)
            moves = self._moves[segment.segment_id]
            tables: dict[str, pa.Table] = {}
            for name in parts:
                relation = f"{segment.alias}.{name}"
                if moves is None and name in FOLDED_TABLES:
                    relation = unfolded(segment.alias, segment.folding, name)
                schema = TRACES if moves is not None and name == "traces" else SCHEMAS[name]
                rows = self._current(_in_schema(self._read(relation, low, high), schema))
                # What is folded anew must be in order; an unfolded relation has none.
                tables[name] = sort_rows(name, rows) if moves is None else rows
            if moves is None:
                tables = folder.fold(tables)
            else:
                tables["traces"] = moved(tables["traces"], moves)
            for name, rows in tables.items():
                parts[name].append(rows)
        return {name: pa.concat_tables(rows) for name, rows in parts.items()}

    def _moves_of(self, folder: Folder, segment: Segment) -> dict[str, Ints] | None:
        """Where the places of a file's dictionaries are in the new one; None when its rows have to
        be folded anew."""
        if segment.folding is None:
            return None
        moves: dict[str, Ints] = {}
        for name in DICTIONARIES:
            entries = read_dictionary(self._cursor, segment.alias, name)
            places = folder.places_of(name, entries)
            if places is None:
                return None
            moves[name] = places
        return moves

    def _read(
        self, relation: str, low: _Bound, high: _Bound, has_distances: bool = False
    ) -> pa.Table:
        where, parameters = _range(self._key, low, high)
        place = f", rowid AS {parents.ROW}" if has_distances else ""
        rows = arrow_table(self._cursor, f"SELECT *{place} FROM {relation}{where}", parameters)
        # Whole traces were read, so every parent that is in the file is among them.
        return parents.by_id(rows)[0] if has_distances else rows

    def _current(self, table: pa.Table) -> pa.Table:
        """Derived rows without those of superseded revisions, and each settlement once."""
        if not self.superseded or not table.num_rows:
            return table
        ids = zip(
            table.column("trace_hi").to_pylist(),
            table.column("trace_lo").to_pylist(),
            table.column("revision").to_pylist(),
            strict=True,
        )
        keep = [
            revision > self.superseded.get(join_trace_id(hi, lo), 0) for hi, lo, revision in ids
        ]
        return table if all(keep) else table.filter(pa.array(keep, pa.bool_()))


def _of(segment: Segment, table_name: str) -> bool:
    return segment.has_distances and table_name == parents.TABLE


def _in_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    for field in schema:
        if field.name not in table.column_names:  # written before there was one
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table.select(schema.names).cast(schema)


def _once(table: pa.Table, id_column: str) -> pa.Table:
    _, first = np.unique(table.column(id_column).to_numpy(), return_index=True)
    return table.take(pa.array(np.sort(first)))


def _range(key: Sequence[str], low: _Bound, high: _Bound) -> tuple[str, list[int]]:
    """A WHERE clause for low <= key < high. The plain bound on the first column is there
    for the zone maps."""
    clauses: list[str] = []
    parameters: list[int] = []
    for bound, outer, inner in ((low, ">", ">="), (high, "<", "<")):
        if bound is None:
            continue
        if len(key) == 1:
            clauses.append(f"{key[0]} {inner} ?")
            parameters += bound
        else:
            clauses.append(f"({key[0]} {outer}= ? AND ({key[0]} {outer} ? OR {key[1]} {inner} ?))")
            parameters += [bound[0], bound[0], bound[1]]
    return (f" WHERE {' AND '.join(clauses)}" if clauses else ""), parameters
