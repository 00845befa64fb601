"""Attributes between OTLP messages, Python dicts and the ten typed list columns of a row."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from longpole.formats import any_value
from longpole.formats.tally import Tally
from longpole.model.columns import ATTRIBUTE_COLUMNS
from longpole.model.span import Attributes, AttributeValue

_VALUE_TYPES = (pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.string())
_FIELDS = {"string_value": 0, "int_value": 1, "double_value": 2, "bool_value": 3}


@dataclass(frozen=True, slots=True)
class AttributeLists:
    """The ten list columns of one row, as plain sequences in the order of the columns."""

    str_keys: Sequence[str] = ()
    str_vals: Sequence[str] = ()
    int_keys: Sequence[str] = ()
    int_vals: Sequence[int] = ()
    dbl_keys: Sequence[str] = ()
    dbl_vals: Sequence[float] = ()
    bool_keys: Sequence[str] = ()
    bool_vals: Sequence[bool] = ()
    other_keys: Sequence[str] = ()
    other_vals: Sequence[str] = ()

    @classmethod
    def of(cls, attributes: Attributes) -> AttributeLists:
        """The lists of a dict. An int beyond 64 bits is kept as a double."""
        lists: tuple[list[Any], ...] = tuple([] for _ in range(10))
        for key, value in attributes.items():
            place, stored = _place(value)
            lists[place].append(key)
            lists[place + 1].append(stored)
        return cls(*lists)

    def to_dict(self) -> dict[str, AttributeValue]:
        """The attributes as one dict; strings first, then ints, doubles, bools, others."""
        found: dict[str, AttributeValue] = dict(zip(self.str_keys, self.str_vals, strict=True))
        found.update(zip(self.int_keys, self.int_vals, strict=True))
        found.update(zip(self.dbl_keys, self.dbl_vals, strict=True))
        found.update(zip(self.bool_keys, self.bool_vals, strict=True))
        for key, text in zip(self.other_keys, self.other_vals, strict=True):
            found[key] = any_value.python_of_text(text)
        return found

    def as_row(self) -> dict[str, Sequence[Any]]:
        """By column name, for building tables from rows."""
        return {name: getattr(self, name.removeprefix("attr_")) for name in ATTRIBUTE_COLUMNS}


def _place(value: AttributeValue) -> tuple[int, Any]:
    if isinstance(value, str):
        return 0, str(value)
    if isinstance(value, bool):
        return 6, value
    if isinstance(value, int):
        return (2, int(value)) if -(2**63) <= value < 2**63 else (4, float(value))
    if isinstance(value, float):
        return 4, value
    return 8, any_value.text_of_python(value)


def attributes_of(row: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """The dict of a row that was read from a table (`to_pylist`); null lists are empty."""
    return AttributeLists(*[row[name] or () for name in ATTRIBUTE_COLUMNS]).to_dict()


def attribute_rows(table: pa.Table) -> Iterator[dict[str, AttributeValue]]:
    """The dict of every row of a table, columns at a time."""
    columns = [table.column(name).to_pylist() for name in ATTRIBUTE_COLUMNS]
    if not any(any(column) for column in columns[8:9]):
        for sk, sv, ik, iv, dk, dv, bk, bv in zip(*columns[:8], strict=True):
            found: dict[str, AttributeValue] = dict(zip(sk, sv, strict=True)) if sk else {}
            if ik:
                found.update(zip(ik, iv, strict=True))
            if dk:
                found.update(zip(dk, dv, strict=True))
            if bk:
                found.update(zip(bk, bv, strict=True))
            yield found
        return
    for lists in zip(*columns, strict=True):
        yield AttributeLists(*[values or () for values in lists]).to_dict()


class AttributeColumns:
    """Builds the ten list columns row by row: flat keys and values, and where rows end."""

    def __init__(self) -> None:
        self._keys: tuple[list[str], ...] = tuple([] for _ in range(5))
        self._vals: tuple[list[Any], ...] = tuple([] for _ in range(5))
        self._ends: tuple[list[int], ...] = tuple([0] for _ in range(5))

    def add(self, attributes: Iterable[KeyValue], tally: Tally) -> None:
        """One row. Of equal keys the last wins, at the place of the first. References into a
        dictionary that OTLP does not send with these signals are emptied in the message."""
        by_key = {}
        for pair in attributes:
            if pair.key_strindex:
                pair.key_strindex = 0
                warn_strindex(tally)
            by_key[pair.key] = pair.value
        keys, vals = self._keys, self._vals
        for key, value in by_key.items():
            kind = value.WhichOneof("value")
            if kind == "string_value":
                keys[0].append(key)
                vals[0].append(value.string_value)
            elif kind == "int_value":
                keys[1].append(key)
                vals[1].append(value.int_value)
            elif kind == "double_value":
                keys[2].append(key)
                vals[2].append(value.double_value)
            elif kind == "bool_value":
                keys[3].append(key)
                vals[3].append(value.bool_value)
            else:
                if kind == "string_value_strindex":
                    value.ClearField("string_value_strindex")
                    warn_strindex(tally)
                self._add_other(key, value)
        for ends, flat in zip(self._ends, keys, strict=True):
            ends.append(len(flat))

    def _add_other(self, key: str, value: Any) -> None:
        inner = any_value.unwrap(value) if value.ByteSize() else None
        place = _FIELDS.get(inner.WhichOneof("value") or "") if inner is not None else None
        self._keys[4 if place is None else place].append(key)
        if inner is None or place is None:
            self._vals[4].append(any_value.text_of(value))
        else:  # nobody needs to wrap a scalar, but who does it means the scalar
            self._vals[place].append(getattr(inner, inner.WhichOneof("value") or ""))

    def add_lists(self, lists: AttributeLists) -> None:
        """One row that is already in columns."""
        columns = [getattr(lists, name.removeprefix("attr_")) for name in ATTRIBUTE_COLUMNS]
        for place in range(5):
            self._keys[place].extend(columns[2 * place])
            self._vals[place].extend(columns[2 * place + 1])
            self._ends[place].append(len(self._keys[place]))

    def last_row(self) -> AttributeLists:
        """The row added last."""
        lists: list[list[Any]] = []
        for keys, vals, ends in zip(self._keys, self._vals, self._ends, strict=True):
            lists += [keys[ends[-2] :], vals[ends[-2] :]]
        return AttributeLists(*lists)

    def forget_last_row(self) -> None:
        """Take the row added last back."""
        for keys, vals, ends in zip(self._keys, self._vals, self._ends, strict=True):
            ends.pop()
            del keys[ends[-1] :]
            del vals[ends[-1] :]

    def arrays(self) -> list[pa.Array]:
        """The ten columns, in the order of `ATTRIBUTE_COLUMNS`; no list is null."""
        arrays = []
        for keys, vals, ends, value_type in zip(
            self._keys, self._vals, self._ends, _VALUE_TYPES, strict=True
        ):
            offsets = pa.array(np.asarray(ends, dtype=np.int32))
            arrays.append(pa.ListArray.from_arrays(offsets, pa.array(keys, pa.string())))
            arrays.append(pa.ListArray.from_arrays(offsets, pa.array(vals, value_type)))
        return arrays


def warn_strindex(tally: Tally) -> None:
    """Count a reference into a string table, which only profiles have."""
    tally.warn(
        "string_index_without_table",
        "A string was sent as an index into a dictionary, which exists only for profiles; it "
        "is stored as empty.",
    )


def messages_of(lists: AttributeLists) -> list[KeyValue]:
    """OTLP messages of a row's lists."""
    pairs: list[KeyValue] = []
    for field, keys, vals in (
        ("string_value", lists.str_keys, lists.str_vals),
        ("int_value", lists.int_keys, lists.int_vals),
        ("double_value", lists.dbl_keys, lists.dbl_vals),
        ("bool_value", lists.bool_keys, lists.bool_vals),
    ):
        for key, value in zip(keys, vals, strict=True):
            pair = KeyValue(key=key)
            setattr(pair.value, field, value)
            pairs.append(pair)
    for key, text in zip(lists.other_keys, lists.other_vals, strict=True):
        pairs.append(KeyValue(key=key, value=any_value.of_text(text)))
    return pairs


def message_rows(table: pa.Table) -> Iterator[list[KeyValue]]:
    """The OTLP messages of every row of a table."""
    columns = (table.column(name).to_pylist() for name in ATTRIBUTE_COLUMNS)
    for lists in itertools.zip_longest(*columns):
        yield messages_of(AttributeLists(*[values or () for values in lists]))
