"""Python lists to Arrow columns the short way: through NumPy where the type allows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from longpole.formats.attributes import AttributeColumns
from longpole.model.columns import ATTRIBUTE_COLUMNS


def signed(times: Sequence[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """fixed64 times as int64 by two's complement, so that every value survives."""
    return np.asarray(times, dtype=np.uint64).view(np.int64)


def trace_ids(raw: Sequence[bytes]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The hi and lo columns of 16-byte trace ids; an empty one counts as zero."""
    joined = b"".join(raw)
    if len(joined) != 16 * len(raw):
        joined = b"".join(one or bytes(16) for one in raw)
    pairs = np.frombuffer(joined, dtype=">u8").reshape(-1, 2).astype(np.uint64)
    return pairs[:, 0].copy(), pairs[:, 1].copy()


def span_ids(raw: Sequence[bytes]) -> np.ndarray[Any, Any]:
    """The column of 8-byte span ids; an empty one counts as zero."""
    joined = b"".join(raw)
    if len(joined) != 8 * len(raw):
        joined = b"".join(one or bytes(8) for one in raw)
    return np.frombuffer(joined, dtype=">u8").astype(np.uint64)


def build_table(
    schema: pa.Schema, values: Mapping[str, Any], attributes: AttributeColumns | None
) -> pa.Table:
    """A table of `schema` from one sequence (or NumPy array) per column."""
    arrays = dict(values)
    if attributes is not None:
        arrays.update(zip(ATTRIBUTE_COLUMNS, attributes.arrays(), strict=True))
    columns = []
    for field in schema:
        content = arrays[field.name]
        if not isinstance(content, pa.Array | pa.ChunkedArray):
            content = pa.array(content, field.type)
        columns.append(content)
    return pa.table(columns, schema=schema)
