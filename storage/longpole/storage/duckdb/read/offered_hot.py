"""The hot tables of one session, and what they have of a few traces."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING

import pyarrow as pa

from longpole.storage.duckdb.read.hot_rows import Ids, Places, places_of_traces, rows_at

if TYPE_CHECKING:
    import duckdb

HOT_PREFIX = "longpole_hot_"


class OfferedHot(Mapping[str, pa.Table]):
    """Hot tables, each registered when a query first names it: registering takes most of a
    millisecond, and a question names two or three of fourteen."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        tables: Mapping[str, pa.Table],
        numbers: Iterator[int] | None = None,
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._numbers = numbers or count()
        self._names: dict[tuple[str, frozenset[str] | None], str] = {}

    def register(self, table: str, wanted: Collection[str] | None = None) -> str:
        """Make that table known; answers with its internal name. Where rows are copied, only the
        columns `wanted` need be there."""
        few = self._tables if isinstance(self._tables, FewRows) else None
        key = (table, frozenset(wanted) if wanted is not None and few is not None else None)
        if key not in self._names:
            name = HOT_PREFIX + table
            if few is not None:
                name = f"{HOT_PREFIX}{next(self._numbers)}_{table}"
            rows = self._tables[table] if few is None else few.of(table, wanted)
            self._connection.register(name, rows)
            self._names[key] = name
        return self._names[key]

    def among(self, hi: Ids, lo: Ids) -> OfferedHot:
        """The same tables under other names, with hardly any rows but those of these traces."""
        few = FewRows(self._tables, hi, lo)
        return OfferedHot(self._connection, few, self._numbers)

    def has_rows(self, table: str) -> bool:
        """Whether there are any, without a copy of them."""
        if isinstance(self._tables, FewRows):
            return self._tables.has_rows(table)
        return bool(self._tables[table].num_rows)

    def __getitem__(self, table: str) -> pa.Table:
        return self._tables[table]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


class FewRows(Mapping[str, pa.Table]):
    """Hot tables with the rows of a few traces, each looked for when it is first asked for."""

    def __init__(self, tables: Mapping[str, pa.Table], hi: Ids, lo: Ids) -> None:
        self._tables, self._hi, self._lo = tables, hi, lo
        self._places: dict[str, Places] = {}
        self._found: dict[str, pa.Table] = {}

    def has_rows(self, table: str) -> bool:
        """Whether there are any, without a copy of them."""
        if not _is_of_traces(self._tables[table]):
            return bool(self._tables[table].num_rows)
        return bool(self._places_in(table))

    def of(self, table: str, wanted: Collection[str] | None) -> pa.Table:
        """The rows with all columns, or with those wanted."""
        rows = self._tables[table]
        if wanted is None or not _is_of_traces(rows):
            return self[table]
        return rows_at(rows.select(list(wanted)), self._places_in(table))

    def __getitem__(self, table: str) -> pa.Table:
        if table not in self._found:
            rows = self._tables[table]
            is_of_traces = _is_of_traces(rows)
            self._found[table] = rows_at(rows, self._places_in(table)) if is_of_traces else rows
        return self._found[table]

    def _places_in(self, table: str) -> Places:
        if table not in self._places:
            self._places[table] = places_of_traces(self._tables[table], self._hi, self._lo)
        return self._places[table]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


def _is_of_traces(table: pa.Table) -> bool:
    return "trace_lo" in table.column_names
