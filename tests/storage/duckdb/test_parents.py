"""Parents by distance are the parents that were sent, however rows lie and whatever is missing."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.storage.duckdb import parents
from longpole.storage.duckdb.damage import ReadableRows, RowRange
from longpole.storage.duckdb.read.question import read_question
from longpole.storage.duckdb.read.views import plan_views, view_sql
from longpole.storage.duckdb.salvage import whole_spans
from tests.effort import examples
from tests.storage.duckdb.traffic import opened, send, spans

FEW = st.integers(0, 6)  # so that ids meet in all ways
SPANS = st.lists(st.tuples(FEW, FEW, FEW), max_size=40)


def stored(sent: list[tuple[int, int, int]]) -> pa.Table:
    """(trace, span, parent) as the rows of a file, traces together."""
    ordered = sorted(sent, key=lambda row: row[0])
    trace, span, parent = (np.array([row[at] for row in ordered], np.uint64) for at in range(3))
    return pa.table(
        {
            "trace_hi": trace // 2,
            "trace_lo": trace,
            "span_id": span,
            "parent_span_id": parent,
            "name": pa.array([f"n{at}" for at in range(trace.size)], pa.string()),
        }
    )


def in_file(rows: pa.Table) -> pa.Table:
    """With distances, and the place of each row."""
    found = parents.by_distance(rows)
    return found.append_column(parents.ROW, pa.array(np.arange(rows.num_rows)))


@examples(200, 1000)
@given(SPANS)
def test_parents_come_back(sent: list[tuple[int, int, int]]) -> None:
    rows = stored(sent)
    again, is_unknown = parents.by_id(in_file(rows))
    assert again.equals(rows)
    assert not is_unknown.any()


@examples(100, 500)
@given(SPANS)
def test_sql_gives_the_same_parents(sent: list[tuple[int, int, int]]) -> None:
    rows = stored(sent)
    with duckdb.connect() as connection:
        connection.register("incoming", parents.by_distance(rows))
        connection.execute("CREATE TABLE spans AS SELECT * FROM incoming")
        sql = f"SELECT name, parent_span_id FROM {parents.with_parents('spans')} ORDER BY rowid"
        found = connection.execute(sql).fetchall()
    expected = zip(
        rows.column("name").to_pylist(), rows.column("parent_span_id").to_pylist(), strict=True
    )
    assert found == list(expected)


def test_only_parents_that_are_elsewhere_are_kept_as_ids() -> None:
    rows = parents.by_distance(stored([(1, 10, 0), (1, 11, 10), (1, 12, 10), (1, 13, 77)]))
    assert rows.column("parent_distance").to_pylist() == [0, -1, -2, 0]
    assert rows.column("parent_elsewhere").to_pylist() == [0, 0, 0, 77]
    assert "parent_span_id" not in rows.column_names


def test_a_parent_of_the_same_id_in_another_trace_is_not_meant() -> None:
    rows = parents.by_distance(stored([(1, 10, 0), (2, 11, 10)]))
    assert rows.column("parent_elsewhere").to_pylist() == [0, 10]


def test_a_parent_far_away_is_kept_as_an_id() -> None:
    many = [(1, 1, 0), *((1, number, 0) for number in range(2, 40_000)), (1, 40_000, 1)]
    rows = in_file(stored(many))
    assert rows.column("parent_elsewhere")[-1].as_py() == 1
    assert parents.by_id(rows)[0].column("parent_span_id")[-1].as_py() == 1


def test_a_row_that_is_not_there_is_looked_up() -> None:
    rows = in_file(stored([(1, 10, 0), (1, 11, 10), (1, 12, 11)])).slice(1)
    asked: list[list[int]] = []

    def looked_up(places: parents.Rows) -> tuple[parents.Rows, parents.Ids]:
        asked.append(places.tolist())
        return places, np.array([10], np.uint64)

    found, is_unknown = parents.by_id(rows, looked_up)
    assert found.column("parent_span_id").to_pylist() == [10, 11]
    assert (asked, is_unknown.tolist()) == ([[0]], [False, False])


def test_what_cannot_be_looked_up_is_told() -> None:
    rows = in_file(stored([(1, 10, 0), (1, 11, 10), (1, 12, 11)])).slice(1)
    _, is_unknown = parents.by_id(rows)
    assert is_unknown.tolist() == [True, False]


@pytest.mark.parametrize(
    ("query", "is_looked_for"),
    [
        ("SELECT count(*) FROM spans WHERE name = 'a'", False),
        ("SELECT trace_id, span_id, service_name FROM spans", False),
        ("SELECT count(*) FROM spans WHERE Parent_Span_ID IS NULL", True),
        ("SELECT * FROM spans", True),
        ("SELECT x FROM spans x", True),
    ],
)
def test_a_question_that_names_no_parent_looks_for_none(
    tmp_path: Path, query: str, is_looked_for: bool
) -> None:
    store = opened(tmp_path)
    send(store, spans([1, 2]))
    store.seal()
    with duckdb.connect() as connection:
        ((serialized,),) = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
    question = read_question(serialized)
    with store.lease() as lease:
        plan = plan_views(question, lease.snapshot.attribute_types)
        sql = view_sql(plan.views["spans"], lease.snapshot)
    assert ("lag(" in sql) == is_looked_for
    store.close()


class Unreadable:
    """A cursor that meets damage wherever it looks."""

    def execute(self, sql: str) -> None:
        raise duckdb.IOException("Corrupt database file: computed checksum 1 does not match")


def test_a_span_whose_parent_cannot_be_read_is_lost_with_it() -> None:
    rows = in_file(stored([(1, 10, 0), (1, 11, 10), (1, 12, 11), (2, 20, 77)])).slice(1)
    readable = ReadableRows(Unreadable(), "spans")  # type: ignore[arg-type]
    kept = whole_spans(Unreadable(), "spans", readable, rows)  # type: ignore[arg-type]
    assert kept.column("span_id").to_pylist() == [12, 20]
    # The parent of the first is gone with its row, and known all the same.
    assert kept.column("parent_elsewhere").to_pylist() == [11, 77]
    assert readable.lost == [RowRange(1, 1)]
