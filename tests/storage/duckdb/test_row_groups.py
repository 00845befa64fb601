from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from longpole.storage.duckdb.hot import SCHEMAS
from longpole.storage.duckdb.ranges import row_group_rows
from longpole.storage.duckdb.segment_writer import SegmentWriter


def test_a_file_is_no_bigger_for_the_pieces_in_which_its_rows_come(tmp_path: Path) -> None:
    group = row_group_rows("spans")
    rows = 8 * group
    sizes = [_file_size(tmp_path, rows, piece) for piece in (group, group * 4 // 3)]
    assert max(sizes) < 1.1 * min(sizes)


def _file_size(folder: Path, rows: int, piece_rows: int) -> int:
    ids = np.random.default_rng(1).integers(0, 1 << 63, rows).astype(np.uint64)
    empty = SCHEMAS["spans"].empty_table()
    table = pa.table(
        [
            pa.array(ids) if field.name == "span_id" else pa.nulls(rows, field.type)
            for field in empty.schema
        ],
        schema=empty.schema,
    )
    writer = SegmentWriter(folder, folder, 1 << 29, 2)
    file = writer.start("spans", piece_rows, rows, ())
    for begin in range(0, rows, piece_rows):
        # In a merge each piece comes out of its own sorting.
        file.append("spans", table.slice(begin, piece_rows))
    file.change("CHECKPOINT {file}")
    size = file.temporary.stat().st_size
    file.abandon()
    writer.close()
    return size
