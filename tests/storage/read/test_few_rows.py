"""Few rows of a trace are read as plain values; they are the same as when columns are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from longpole.storage.duckdb.read.few_rows import MOST_ROWS, one_trace, read_few
from longpole.storage.duckdb.read.part import TABLES_OF_KIND, Part, parts_of
from longpole.storage.duckdb.read.reader import Reader
from longpole.storage.duckdb.read.stored_rows import read_table
from tests.storage.read.segment_files import HandMadeSource, Row

HI, LO = 2**64 - 5, 2**63 + 7  # more than a signed number holds
SCHEMA = TABLES_OF_KIND["spans"]["spans"]
ODD: dict[str, object] = {
    "plain": "a", "n\0ul": "\0", "quo'te": '"', "int": -(2**63), "dbl": float("inf"), "bool": False,
    "other": ('{"arrayValue":{"values":[]}}',),
}  # fmt: skip


def span(number: int, lo: int = LO, **given: object) -> Row:
    ids = {"row_id": number, "span_id": number, "trace_hi": HI, "trace_lo": lo}
    return {**ids, "start_unix_nano": number, "name": f"'{number}", **given}


@pytest.fixture
def source(tmp_path: Path) -> HandMadeSource:
    return HandMadeSource(tmp_path)


def few(source: HandMadeSource) -> Iterator[tuple[pa.Table | None, pa.Table]]:
    with source.lease() as lease:
        connection = lease.cursor()
        for part in parts_of(lease.snapshot, "spans"):
            assert isinstance(part, Part)
            wanted = one_trace(HI, LO)
            yield (
                read_few(connection, part, "spans", SCHEMA, wanted),
                read_table(connection, part, "spans", f"{wanted} ORDER BY s.rowid"),
            )


@pytest.mark.parametrize("typed", [(), ("plain", "dbl", "bool", "int", "seldom")])
def test_they_are_what_reading_columns_gives(
    source: HandMadeSource, typed: tuple[str, ...]
) -> None:
    source.add_segment(
        typed,
        spans=[
            span(1, attributes=ODD), span(2), span(3, attributes={"plain": 1, "seldom": "x"}),
            span(4, lo=LO - 1, attributes={"seldom": "y"}),
        ],
    )  # fmt: skip
    ((values, columns),) = few(source)
    assert values is not None
    assert values.equals(columns)
    assert values.column("row_id").to_pylist() == [1, 2, 3]


def test_no_row_is_an_empty_table(source: HandMadeSource) -> None:
    source.add_segment(spans=[span(1, lo=1)])
    ((values, columns),) = few(source)
    assert values is not None
    assert values.equals(columns)
    assert values.num_rows == 0


def test_a_trace_of_more_rows_is_whole(source: HandMadeSource) -> None:
    source.add_segment(spans=[span(number) for number in range(1, MOST_ROWS + 2)])
    ((values, _),) = few(source)
    assert values is None
    trace = Reader(source).trace(HI << 64 | LO)
    assert trace is not None
    assert [s.span_id for s in trace.spans] == list(range(1, MOST_ROWS + 2))
