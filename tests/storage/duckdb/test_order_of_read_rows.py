"""Rows of whole traces come in order, however threads handed their blocks over."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from longpole.storage.duckdb.read.whole import _in_order

ROWS_OF_TRACE, TRACES = 10, 400


def block(*traces: range) -> pa.RecordBatch:
    """Rows of these traces; the row id says both trace and place."""
    places = np.repeat(np.concatenate([list(some) for some in traces]), ROWS_OF_TRACE)
    row_ids = places * ROWS_OF_TRACE + np.tile(
        np.arange(ROWS_OF_TRACE), places.size // ROWS_OF_TRACE
    )
    return pa.record_batch({"place": places, "row_id": row_ids.astype(np.uint64)})


BLOCKS = {
    "in order": [block(range(400))],
    "two that changed places": [block(range(200, 400)), block(range(200))],
    "one that goes on after another": [
        block(range(100), range(300, 400)),
        block(range(100, 300)),
    ],
    "one that begins anew": [block(range(200, 400), range(200))],
    "one that ends within a trace": [
        block(range(200)).slice(0, 1_995),
        block(range(200, 400)),
        block(range(199, 200)).slice(5),
    ],
    "every other trace in one": [block(range(0, 400, 2)), block(range(1, 400, 2))],
}


@pytest.mark.parametrize("blocks", BLOCKS.values(), ids=BLOCKS)
def test_rows_are_in_the_order_of_traces_and_rows(blocks: list[pa.RecordBatch]) -> None:
    table, places = _in_order([pa.Table.from_batches([one]) for one in blocks], 0)
    assert table.column("row_id").to_pylist() == list(range(TRACES * ROWS_OF_TRACE))
    assert places.tolist() == [row // ROWS_OF_TRACE for row in range(TRACES * ROWS_OF_TRACE)]
