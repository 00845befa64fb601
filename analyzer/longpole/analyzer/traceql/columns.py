"""Values of one field of many spans: a type for each row, and numbers or texts beside it.

An attribute may be a text on one span and a number on the next, so the type is data too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longpole.analyzer.traceql.expressions import Static, Type
from longpole.analyzer.traceql.fields import KIND_NAMES, STATUS_NAMES

Rows: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Value: TypeAlias = str | int | float | bool | None


class Kind(IntEnum):
    """The type of one value. OTHER is bytes, lists and maps: there, but equal to nothing."""

    NIL = 0
    TEXT = 1
    INT = 2
    FLOAT = 3
    BOOL = 4
    DURATION = 5
    STATUS = 6
    SPAN_KIND = 7
    OTHER = 8


KIND_OF_TYPE = {
    Type.NIL: Kind.NIL,
    Type.STRING: Kind.TEXT,
    Type.INT: Kind.INT,
    Type.FLOAT: Kind.FLOAT,
    Type.BOOL: Kind.BOOL,
    Type.DURATION: Kind.DURATION,
    Type.STATUS: Kind.STATUS,
    Type.KIND: Kind.SPAN_KIND,
}
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """`kinds` is a `Kind` by row; `ints` holds what is whole (a duration in nanoseconds, true as
    1), `floats` what is FLOAT, `codes` the place in `texts` of TEXT and OTHER."""

    kinds: npt.NDArray[np.int8]
    ints: Ints
    floats: Floats
    codes: npt.NDArray[np.int32]
    texts: npt.NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def is_number(self) -> Mask:
        """Rows that compare as numbers: whole, decimal and durations."""
        kinds = self.kinds
        found = (kinds == Kind.INT) | (kinds == Kind.FLOAT) | (kinds == Kind.DURATION)
        return np.asarray(found & ~np.isnan(self.floats), np.bool_)

    @property
    def as_floats(self) -> Floats:
        """Every number as a float, 0 where there is none."""
        return np.where(self.kinds == Kind.FLOAT, self.floats, self.ints.astype(np.float64))

    @property
    def is_true(self) -> Mask:
        """Rows that are the boolean true."""
        return np.asarray((self.kinds == Kind.BOOL) & (self.ints != 0))

    def take(self, rows: Rows) -> Column:
        """The values of these rows; nil for a row below 0."""
        if not len(self.kinds):
            return nothing(len(rows))
        places = np.maximum(rows, 0)
        kinds = np.where(rows < 0, np.int8(Kind.NIL), self.kinds[places])
        return Column(kinds, self.ints[places], self.floats[places], self.codes[places], self.texts)

    def or_else(self, other: Column) -> Column:
        """The values of this column, and those of another of the same rows where it has none."""
        missing = self.kinds == Kind.NIL
        if not missing.any():
            return self
        return Column(
            np.where(missing, other.kinds, self.kinds),
            np.where(missing, other.ints, self.ints),
            np.where(missing, other.floats, self.floats),
            np.where(missing, other.codes + np.int32(len(self.texts)), self.codes),
            np.concatenate([self.texts, other.texts]),
        )

    def value(self, row: int) -> tuple[Kind, Value]:
        """One value as a Python object, with its kind."""
        kind = Kind(self.kinds[row])
        if kind in (Kind.TEXT, Kind.OTHER):
            return kind, str(self.texts[self.codes[row]])
        if kind is Kind.FLOAT:
            return kind, float(self.floats[row])
        if kind is Kind.NIL:
            return kind, None
        return kind, int(self.ints[row])

    def groups(self) -> tuple[Rows, list[tuple[Kind, Value]]]:
        """A number for each row, equal where the values are, and the value of each number."""
        bits = np.where(self.kinds == Kind.FLOAT, self.floats.view(np.int64), self.ints)
        same_text = _same_texts(self.texts)
        is_text = (self.kinds == Kind.TEXT) | (self.kinds == Kind.OTHER)
        if len(same_text):
            bits = np.where(is_text, same_text[np.where(is_text, self.codes, 0)], bits)
        bits = np.where(self.kinds == Kind.NIL, 0, bits)
        _, dense = np.unique(bits, return_inverse=True)
        both = dense.reshape(-1) * np.int64(len(Kind)) + self.kinds
        _, first, numbers = np.unique(both, return_index=True, return_inverse=True)
        return numbers.reshape(-1).astype(np.int64), [self.value(int(row)) for row in first]


def nothing(rows: int) -> Column:
    """A column of nil."""
    return Column(
        np.zeros(rows, np.int8),
        np.zeros(rows, np.int64),
        np.zeros(rows, np.float64),
        np.zeros(rows, np.int32),
        np.empty(0, np.object_),
    )


def whole(kind: Kind, numbers: npt.NDArray[np.integer]) -> Column:
    """A column of whole numbers of one kind."""
    rows = len(numbers)
    return Column(
        np.full(rows, kind, np.int8),
        numbers.astype(np.int64),
        np.zeros(rows, np.float64),
        np.zeros(rows, np.int32),
        np.empty(0, np.object_),
    )


def decimal(numbers: Floats, is_there: Mask | None = None) -> Column:
    """A column of floats, nil where `is_there` says that there is none."""
    rows = len(numbers)
    kinds = np.full(rows, Kind.FLOAT, np.int8)
    if is_there is not None:
        kinds[~is_there] = Kind.NIL
    return Column(
        kinds,
        np.zeros(rows, np.int64),
        np.asarray(numbers, np.float64),
        np.zeros(rows, np.int32),
        np.empty(0, np.object_),
    )


def truth(mask: Mask) -> Column:
    """A column of booleans."""
    return whole(Kind.BOOL, mask.astype(np.int64))


def texts(values: pa.Array | pa.ChunkedArray) -> Column:
    """A column of texts, nil where they are null."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    packed = values.dictionary_encode()
    is_null = np.asarray(packed.indices.is_null())
    codes = np.asarray(packed.indices.fill_null(0)).astype(np.int32)
    rows = len(codes)
    return Column(
        np.where(is_null, np.int8(Kind.NIL), np.int8(Kind.TEXT)),
        np.zeros(rows, np.int64),
        np.zeros(rows, np.float64),
        codes,
        _objects(packed.dictionary.to_pylist()),
    )


def constant(static: Static, rows: int) -> Column:
    """The same value in every row."""
    kind = KIND_OF_TYPE[static.type]
    value = static.value
    is_float = static.type is Type.FLOAT
    whole_number = int(value) if isinstance(value, int) else 0
    return Column(
        np.full(rows, kind, np.int8),
        np.full(rows, min(max(whole_number, _LOWEST), _HIGHEST), np.int64),
        np.full(rows, float(value) if is_float and value is not None else 0.0),
        np.zeros(rows, np.int32),
        _objects([value] if isinstance(value, str) else []),
    )


def shown(kind: Kind, value: Value) -> str:
    """A value as text, as a label or a choice shows it."""
    match kind:
        case Kind.STATUS:
            return STATUS_NAMES.get(int(value or 0), str(value))
        case Kind.SPAN_KIND:
            return KIND_NAMES.get(int(value or 0), str(value))
        case Kind.BOOL:
            return "true" if value else "false"
        case Kind.NIL:
            return "nil"
        case Kind.DURATION:
            return f"{value}ns"
    return str(value)


def _objects(values: Sequence[object]) -> npt.NDArray[np.object_]:
    found = np.empty(len(values), np.object_)
    found[:] = values
    return found


def _same_texts(values: npt.NDArray[np.object_]) -> Ints:
    """A number for each text, equal for equal texts: columns that were joined repeat some."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], np.int64)
