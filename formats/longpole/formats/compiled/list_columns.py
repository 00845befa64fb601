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
from longpole.formats.compiled.scanning import Scanned
from longpole.formats.compiled.text_loops import measure_attributes, take_attributes, take_texts
from longpole.formats.compiled.wire_loops import Bytes, Codes, Ints, Rows
from longpole.model import columns

# A value of few containers is nested no deeper than a strict parser follows, wherever in a
# request it stands.
_CONTAINER = 'Value":{"values":['
# In the order of the types.
_KINDS = (pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.string())
_LISTS = tuple(pa.list_(kind) for kind in _KINDS)
_TEXT_LISTS = pa.list_(pa.string())
_NO_TEXTS = pa.array([], pa.string())
_NO_VALUES = tuple(pa.array([], kind) for kind in _KINDS)


class BadText(Exception):
    """A text is not UTF-8, or a value is one that only the reference decoder can judge."""


def text_array(request: Scanned, rows: Rows, column: int) -> pa.Array:
    """The texts that begin at `column` of a scanned table. Raises `BadText`."""
    size = int((rows[:, column + 1] - rows[:, column]).sum())
    offsets = np.zeros(len(rows) + 1, np.int32)
    texts = np.empty(size, np.uint8)
    if size and not take_texts(request.data, rows, column, offsets, texts):
        raise BadText
    return _strings(offsets, texts)


def attribute_arrays(request: Scanned, owners: Rows) -> list[pa.Array]:
    """The ten list columns of these messages, in the order of `ATTRIBUTE_COLUMNS`. Raises
    `BadText`."""
    sizes = np.zeros((layout.TYPES, 3), np.int64)
    measure_attributes(request.attributes, owners, sizes)
    counts, key_bytes, text_bytes = sizes.sum(axis=0).tolist()
    starts = np.zeros((layout.TYPES, 2), np.int64)
    np.cumsum(sizes[:-1, :2], axis=0, out=starts[1:])
    width = len(owners) + 1
    list_offsets = np.zeros(layout.TYPES * width, np.int32)
    key_offsets = np.zeros(layout.TYPES + counts, np.int32)
    keys, values = np.empty(key_bytes, np.uint8), np.empty(counts, np.int64)
    text_offsets = np.zeros(int(sizes[layout.TEXT, 0]) + 1, np.int32)
    texts = np.empty(text_bytes, np.uint8)
    if counts and not take_attributes(
        request.data, request.attributes, owners, starts, starts.copy(),
        list_offsets, key_offsets, keys, values, text_offsets, texts,
    ):  # fmt: skip
        raise BadText
    arrays: list[pa.Array] = []
    for kind, ((first, key), (count, size, _)) in enumerate(
        zip(starts.tolist(), sizes.tolist(), strict=True)
    ):
        offsets = pa.py_buffer(list_offsets[kind * width : (kind + 1) * width])
        own_keys, own_values = _NO_TEXTS, _NO_VALUES[kind]
        if count:
            own_offsets = key_offsets[first + kind : first + kind + count + 1]
            own_keys = _strings(own_offsets, keys[key : key + size])
            if kind == layout.TEXT:
                own_values = _strings(text_offsets, texts)
            else:
                own_values = _values(request, kind, values[first : first + count])
        for held, own in ((_TEXT_LISTS, own_keys), (_LISTS[kind], own_values)):
            arrays.append(pa.Array.from_buffers(held, width - 1, [None, offsets], children=[own]))
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


def _values(request: Scanned, kind: int, numbers: Ints) -> pa.Array:
    if kind == layout.OTHER:
        places = request.attributes[numbers, layout.ATTRIBUTE_VALUE :].tolist()
        texts = [value_text(request.body, begin, end) for begin, end in places]
        return pa.array(texts, pa.string())
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


def _strings(offsets: Codes, texts: Bytes) -> pa.Array:
    """A string column of UTF-8 that was looked at."""
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(texts)]
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)
