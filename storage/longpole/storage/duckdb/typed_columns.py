"""Typed attribute columns: common (key, type) pairs move out of the lists, and back again.

Everything is done on whole columns: the lists of a type are flattened once, their elements
grouped by key, and each group gathered into one column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longpole.storage.duckdb.snapshot import AttributeColumn

TYPED = {"str": pa.string(), "int": pa.int64(), "dbl": pa.float64(), "bool": pa.bool_()}
TABLES_WITH_TYPED_COLUMNS = ("spans", "logs")
MAX_COLUMNS = 200
COMMON_SHARE = 0.01
COMMON_ROWS = 10_000  # or this many rows, which a rare key of a big file has too


@dataclass(frozen=True, slots=True)
class _Elements:
    """The attributes of one type in all rows: which row, which key, which value."""

    rows: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int32]
    names: list[str]
    keys: pa.Array
    values: pa.Array


def key_counts(table: pa.Table) -> Counter[tuple[str, str]]:
    """How many rows hold each (key, type)."""
    counts: Counter[tuple[str, str]] = Counter()
    for type_name in TYPED:
        keys = pc.list_flatten(table.column(f"attr_{type_name}_keys"))
        for entry in pc.value_counts(keys).to_pylist():
            counts[(entry["values"], type_name)] += entry["counts"]
    return counts


def common_columns(
    table_name: str, counts: Counter[tuple[str, str]], row_count: int
) -> tuple[AttributeColumn, ...]:
    """The columns that a table of so many rows deserves, most common first."""
    least = max(1, min(row_count * COMMON_SHARE, COMMON_ROWS))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    chosen = [pair for pair, count in ranked if count >= least][:MAX_COLUMNS]
    return tuple(
        AttributeColumn(table_name, f"a{index}", key, type_name)
        for index, (key, type_name) in enumerate(chosen)
    )


def promoted(table: pa.Table, chosen: Sequence[AttributeColumn]) -> pa.Table:
    """The table with those columns appended, and only the remainder in its lists."""
    for type_name in TYPED:
        own = [column for column in chosen if column.type == type_name]
        if own:
            table = _promoted_type(table, type_name, own)
    names = [column.column_name for column in chosen]
    plain = [name for name in table.column_names if name not in set(names)]
    return table.select([*plain, *names])


def restored(table: pa.Table, held: Sequence[AttributeColumn]) -> pa.Table:
    """The inverse of `promoted`: every attribute in its list, no typed columns."""
    for type_name in TYPED:
        own = [column for column in held if column.type == type_name]
        if own:
            table = _restored_type(table, type_name, own)
    return table.drop_columns([column.column_name for column in held])


def realigned(
    table: pa.Table, held: Sequence[AttributeColumn], chosen: Sequence[AttributeColumn]
) -> pa.Table:
    """A table that has the columns `held` as one that has `chosen`, as `promoted` would make it of
    the `restored` rows; what both have is only moved."""
    wanted = {(column.key, column.type): column.column_name for column in chosen}
    moved = {
        wanted[column.key, column.type]: table.column(column.column_name)
        for column in held
        if (column.key, column.type) in wanted
    }
    others = [column for column in held if (column.key, column.type) not in wanted]
    names = {column.column_name for column in held} - {column.column_name for column in others}
    rest = restored(table.drop_columns(sorted(names)), others)
    missing = [column for column in chosen if column.column_name not in moved]
    if missing:
        rest = promoted(rest, missing)
    for name, values in moved.items():
        rest = rest.append_column(name, values)
    new = [column.column_name for column in chosen]
    plain = [name for name in rest.column_names if name not in set(new)]
    return rest.select([*plain, *new])


def _promoted_type(table: pa.Table, type_name: str, own: Sequence[AttributeColumn]) -> pa.Table:
    count = table.num_rows
    found = _elements(table, type_name)
    # Few keys: a 16-bit stable sort is a radix sort.
    codes = found.codes.astype(np.int16) if len(found.names) < 32_000 else found.codes
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(found.codes, minlength=len(found.names)))
    code_of = {name: code for code, name in enumerate(found.names)}
    is_kept = np.ones(found.codes.size, dtype=np.bool_)
    for column in own:
        code = code_of.get(column.key)
        first = ends[code - 1] if code else 0
        positions = order[first : ends[code]] if code is not None else order[:0]
        if not positions.size:
            values = pa.nulls(count, TYPED[type_name])
        else:
            is_kept[positions] = False
            at = np.full(count, -1, dtype=np.int64)
            at[found.rows[positions]] = positions
            values = found.values.take(pa.array(at, mask=at < 0))
        table = table.append_column(column.column_name, values)
    mask = pa.array(is_kept)
    return _with_lists(
        table, type_name, found.rows[is_kept], found.keys.filter(mask), found.values.filter(mask)
    )


def _restored_type(table: pa.Table, type_name: str, own: Sequence[AttributeColumn]) -> pa.Table:
    found = _elements(table, type_name)
    rows = [found.rows]
    keys = [found.keys]
    values = [found.values]
    for column in own:
        held = _whole(table.column(column.column_name))
        at = np.flatnonzero(held.is_valid().to_numpy(zero_copy_only=False))
        rows.append(at)
        keys.append(pa.repeat(pa.scalar(column.key, pa.string()), at.size))
        values.append(held.drop_null())
    all_rows = np.concatenate(rows)
    order = np.argsort(all_rows, kind="stable")
    return _with_lists(
        table,
        type_name,
        all_rows[order],
        pa.concat_arrays(keys).take(pa.array(order)),
        pa.concat_arrays(values).take(pa.array(order)),
    )


def _elements(table: pa.Table, type_name: str) -> _Elements:
    key_lists = _whole(table.column(f"attr_{type_name}_keys"))
    lengths = pc.fill_null(pc.list_value_length(key_lists), 0).to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(len(key_lists), dtype=np.int64), lengths)
    keys = key_lists.flatten()
    encoded = keys.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    values = _whole(table.column(f"attr_{type_name}_vals")).flatten()
    return _Elements(rows, codes, encoded.dictionary.to_pylist(), keys, values)


def _with_lists(
    table: pa.Table,
    type_name: str,
    rows: npt.NDArray[np.int64],
    keys: pa.Array,
    values: pa.Array,
) -> pa.Table:
    """The table with these elements (by ascending row) as the lists of a type."""
    offsets = np.zeros(table.num_rows + 1, dtype=np.int32)
    np.cumsum(np.bincount(rows, minlength=table.num_rows), out=offsets[1:])
    for suffix, flat in (("keys", keys), ("vals", values)):
        name = f"attr_{type_name}_{suffix}"
        lists = pa.ListArray.from_arrays(pa.array(offsets), flat)
        table = table.set_column(table.schema.get_field_index(name), name, lists)
    return table


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """One array without chunks."""
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks)
    return whole
