"""Texts and attributes of scanned rows as Arrow columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from longpole.formats import any_value
from longpole.formats.compiled import layout
from longpole.formats.compiled.attribute_loops import measure_types, take_texts, take_type
from longpole.formats.compiled.scanning import Scanned
from longpole.formats.compiled.wire_loops import Bytes, Codes, Ints, Rows
from longpole.model import columns

# A value of few containers is nested no deeper than a strict parser follows, wherever in a
# request it stands.
_CONTAINER = 'Value":{"values":['
_NO_TEXTS = pa.array([], pa.string())
# In the order of the types.
_NO_VALUES = [
    pa.array([], kind) for kind in (pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.string())
]


class BadText(Exception):
    """A text is not UTF-8, or a value is one that only the reference decoder can judge."""


def text_array(request: Scanned, rows: Rows, column: int) -> pa.Array:
    """The texts that begin at `column` of a scanned table. Raises `BadText`."""
    return _texts(request.data, rows, column, np.arange(len(rows)))


def attribute_arrays(request: Scanned, owners: Rows) -> list[pa.Array]:
    """The ten list columns of these messages, in the order of `ATTRIBUTE_COLUMNS`. Raises
    `BadText`."""
    body, data, attributes = request.body, request.data, request.attributes
    sizes = np.zeros((layout.TYPES, 2), np.int64)
    measure_types(attributes, owners, sizes)
    arrays: list[pa.Array] = []
    nowhere = pa.array(np.zeros(len(owners) + 1, np.int32))
    for kind in range(layout.TYPES):
        how_many, key_bytes = sizes[kind].tolist()
        if not how_many:
            arrays += [pa.ListArray.from_arrays(nowhere, _NO_TEXTS)]
            arrays += [pa.ListArray.from_arrays(nowhere, _NO_VALUES[kind])]
            continue
        list_offsets = np.zeros(len(owners) + 1, np.int32)
        key_offsets = np.zeros(how_many + 1, np.int32)
        keys = np.empty(key_bytes, np.uint8)
        picked = np.empty(how_many, np.int64)
        if not take_type(data, attributes, owners, kind, list_offsets, key_offsets, keys, picked):
            raise BadText
        offsets = pa.array(list_offsets)
        arrays.append(pa.ListArray.from_arrays(offsets, _strings(key_offsets, keys)))
        values = _values(body, data, attributes, kind, picked)
        arrays.append(pa.ListArray.from_arrays(offsets, values))
    return arrays


def table_of(schema: pa.Schema, values: dict[str, Any], lists: Sequence[pa.Array] = ()) -> pa.Table:
    """A table of `schema` from one array per column, and from the lists of attributes."""
    arrays = dict(values)
    if lists:
        arrays.update(zip(columns.ATTRIBUTE_COLUMNS, lists, strict=True))
    return pa.table(
        [
            value if isinstance(value, pa.Array) else pa.array(value)
            for value in (arrays[name] for name in schema.names)
        ],
        schema=schema,
    )


def ids(rows: Rows, column: int) -> NDArray[np.uint64]:
    """Unsigned numbers of a scanned table."""
    return rows[:, column].copy().view(np.uint64)


def _values(body: bytes, data: Bytes, attributes: Rows, kind: int, picked: Ints) -> pa.Array:
    if kind == layout.TEXT:
        return _texts(data, attributes, layout.ATTRIBUTE_VALUE, picked)
    if kind == layout.OTHER:
        places = attributes[picked, layout.ATTRIBUTE_VALUE :].tolist()
        return pa.array([value_text(body, begin, end) for begin, end in places], pa.string())
    numbers = attributes[picked, layout.ATTRIBUTE_VALUE]
    if kind == layout.DOUBLE:
        return pa.array(numbers.view(np.float64))
    return pa.array(numbers.astype(np.bool_) if kind == layout.TRUTH else numbers)


def value_text(body: bytes, begin: int, end: int) -> str:
    """The OTLP/JSON of an encoded AnyValue. Raises `BadText`."""
    try:
        value = AnyValue.FromString(body[begin:end])
    except DecodeError:
        raise BadText from None
    return check_depth(any_value.text_of(value))


def check_depth(text: str) -> str:
    """An OTLP/JSON value, if strict parsers follow it. Raises `BadText`."""
    # Names and texts that look like containers count as such, which costs only time.
    if text.count(_CONTAINER) > any_value.CONTAINERS_PER_WRAP:
        raise BadText
    return text


def is_index_free(pair: KeyValue) -> bool:
    """Whether an attribute does not refer to a table of texts, which only profiles have."""
    is_index = pair.value.WhichOneof("value") == "string_value_strindex"
    return not (pair.key_strindex or is_index)


def _texts(data: Bytes, rows: Rows, column: int, picked: Ints) -> pa.Array:
    sizes = rows[picked, column + 1] - rows[picked, column]
    texts = np.empty(int(sizes.sum()), np.uint8)
    offsets = np.zeros(len(picked) + 1, np.int32)
    if not take_texts(data, rows, column, picked, offsets, texts):
        raise BadText
    return _strings(offsets, texts)


def _strings(offsets: Codes, texts: Bytes) -> pa.Array:
    """A string column of UTF-8 that was looked at."""
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(texts)]
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)
