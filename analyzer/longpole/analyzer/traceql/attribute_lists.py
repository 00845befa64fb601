"""Attributes as the tables of the model hold them, one key or all of them at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longpole.analyzer.traceql import columns
from longpole.analyzer.traceql.columns import Column, Kind, Rows
from longpole.model.columns import ATTRIBUTE_TYPES

_KINDS = {
    "str": Kind.TEXT,
    "int": Kind.INT,
    "dbl": Kind.FLOAT,
    "bool": Kind.BOOL,
    "other": Kind.OTHER,
}


@dataclass(frozen=True, slots=True, eq=False)
class _Flat:
    """The lists of one type end to end: the number of each key, its row, and its value."""

    numbers: Mapping[str, int]
    keys: npt.NDArray[np.int32]
    owners: Rows
    values: pa.Array


class AttributeLists:
    """The attributes of every row of one table. Lists are laid flat once, when first asked for."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._flat: dict[str, _Flat] = {}

    def column(self, key: str) -> Column:
        """The attribute of each row, nil where there is none."""
        rows = self._table.num_rows
        found = columns.nothing(rows)
        for name in ATTRIBUTE_TYPES:
            flat = self._of_type(name)
            if key in flat.numbers:
                is_key = flat.keys == flat.numbers[key]
                held = flat.values.filter(pa.array(is_key))
                found = found.or_else(_spread(held, flat.owners[is_key], rows, name))
        return found

    def keys(self) -> Iterator[str]:
        """Every key that occurs, each once for each type that it has."""
        for name in ATTRIBUTE_TYPES:
            yield from self._of_type(name).numbers

    def _of_type(self, name: str) -> _Flat:
        if name not in self._flat:
            keys = _one(self._table.column(f"attr_{name}_keys"))
            values = _one(self._table.column(f"attr_{name}_vals"))
            packed = keys.flatten().dictionary_encode()
            numbers = {key: number for number, key in enumerate(packed.dictionary.to_pylist())}
            self._flat[name] = _Flat(
                numbers,
                np.asarray(packed.indices).astype(np.int32),
                np.asarray(pc.list_parent_indices(keys), np.int64),
                values.flatten(),
            )
        return self._flat[name]


def _spread(held: pa.Array, owners: Rows, rows: int, name: str) -> Column:
    """Values at the rows that own them; the last one of a row counts."""
    if name in ("str", "other"):
        packed = columns.texts(held)
        kinds = np.where(packed.kinds == Kind.TEXT, np.int8(_KINDS[name]), packed.kinds)
    elif name == "dbl":
        packed = columns.decimal(np.asarray(held, np.float64))
        kinds = packed.kinds
    else:
        packed = columns.whole(_KINDS[name], np.asarray(held).astype(np.int64))
        kinds = packed.kinds
    found = columns.nothing(rows)
    found.kinds[owners] = kinds
    found.ints[owners] = packed.ints
    found.floats[owners] = packed.floats
    found.codes[owners] = packed.codes
    return Column(found.kinds, found.ints, found.floats, found.codes, packed.texts)


def _one(column: Any) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return column
