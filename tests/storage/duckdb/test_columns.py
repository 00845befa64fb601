from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from longpole.model.columns import ATTRIBUTE_TYPES, LOGS
from longpole.storage.duckdb.catalog import Catalog, widest
from longpole.storage.duckdb.hot import Generation, coalesced
from longpole.storage.duckdb.snapshot import AttributeColumn
from longpole.storage.duckdb.typed_columns import (
    MAX_COLUMNS,
    common_columns,
    key_counts,
    promoted,
    realigned,
    restored,
)
from tests.effort import examples

VALUES = {
    "str": st.text(max_size=5),
    "int": st.integers(-(1 << 63), (1 << 63) - 1),
    "dbl": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "other": st.just("{}"),
}
KEYS = st.sampled_from(["a", "A", "a.b", "", "é\0", "k1", "k2"])
PAIR = st.sampled_from(ATTRIBUTE_TYPES).flatmap(lambda t: st.tuples(st.just(t), VALUES[t]))
ROWS = st.lists(st.dictionaries(KEYS, PAIR, max_size=5), max_size=12)


def table_of(rows: list[dict[str, tuple[str, object]]]) -> pa.Table:
    records = []
    for number, row in enumerate(rows):
        record: dict[str, object] = {"row_id": number}
        for kind in ATTRIBUTE_TYPES:
            own = [(key, value) for key, (t, value) in row.items() if t == kind]
            record[f"attr_{kind}_keys"] = [key for key, _ in own]
            record[f"attr_{kind}_vals"] = [value for _, value in own]
        records.append(record)
    return pa.Table.from_pylist(records, schema=LOGS)


def rows_of(table: pa.Table) -> list[dict[str, tuple[str, object]]]:
    return [
        {
            key: (kind, value)
            for kind in ATTRIBUTE_TYPES
            for key, value in zip(row[f"attr_{kind}_keys"], row[f"attr_{kind}_vals"], strict=True)
        }
        for row in table.to_pylist()
    ]


@examples(50, 150)
@given(rows=ROWS, share=st.integers(0, 6))
def test_no_value_or_type_is_lost_by_typed_columns(
    rows: list[dict[str, tuple[str, object]]], share: int
) -> None:
    table = table_of(rows)
    chosen = common_columns("logs", key_counts(table), len(rows))[:share]
    typed = promoted(table, chosen)
    left = {(key, t) for row in rows_of(typed) for key, (t, _) in row.items()}
    assert left.isdisjoint((column.key, column.type) for column in chosen)
    back = restored(typed, chosen)
    assert back.schema.names == LOGS.names
    assert rows_of(back) == rows


@examples(50, 150)
@given(rows=ROWS, held=st.integers(0, 6), first=st.integers(0, 3), count=st.integers(0, 6))
def test_columns_of_another_file_are_what_they_would_be_made_of_its_lists(
    rows: list[dict[str, tuple[str, object]]], held: int, first: int, count: int
) -> None:
    table = table_of(rows)
    own = common_columns("logs", key_counts(table), len(rows))
    # Names of one file say nothing in another one.
    wanted = [
        replace(column, column_name=f"a{number}")
        for number, column in enumerate([*own[first : first + count], AttributeColumn(
            "logs", "", "of another file", "str")])
    ]  # fmt: skip
    found = realigned(promoted(table, own[:held]), own[:held], wanted)
    expected = promoted(table, wanted)
    assert found.schema.names == expected.schema.names
    assert rows_of(restored(found, wanted)) == rows
    names = [column.column_name for column in wanted]
    assert found.select(names).to_pydict() == expected.select(names).to_pydict()


def test_only_common_keys_get_columns_and_never_more_than_the_limit() -> None:
    counts = Counter({("common", "str"): 50, ("rare", "str"): 9})
    assert [c.key for c in common_columns("spans", counts, 1000)] == ["common"]
    crowd = Counter({(f"k{n}", "int"): 900 for n in range(MAX_COLUMNS + 50)})
    assert len(common_columns("spans", crowd, 1000)) == MAX_COLUMNS
    big = Counter({("in a big file", "str"): 10_000})
    assert common_columns("spans", big, 5_000_000)


def test_many_tiny_batches_become_few_chunks_in_order() -> None:
    chunks: tuple[pa.Table, ...] = ()
    for number in range(3000):
        chunks = coalesced((*chunks, pa.table({"n": [number]})))
        assert len(chunks) <= 40
    assert pa.concat_tables(chunks).column("n").to_pylist() == list(range(3000))


def test_a_resource_is_kept_once_per_generation() -> None:
    generation = Generation()
    for ids in ([1, 2, 2], [2, 3], [1]):
        generation.append("resources", pa.table({"resource_id": np.array(ids, np.uint64)}), 0)
    (first, second) = generation.chunks["resources"]
    assert first.column(0).to_pylist() + second.column(0).to_pylist() == [1, 2, 3]


def test_a_key_has_the_widest_of_its_types() -> None:
    assert widest("BIGINT", "BIGINT") == "BIGINT"
    assert widest("BIGINT", "DOUBLE") == widest("DOUBLE", "BIGINT") == "DOUBLE"
    assert widest("BOOLEAN", "BIGINT") == widest("DOUBLE", "VARCHAR") == "VARCHAR"
    catalog = Catalog({("span", "k"): "BIGINT"}, ())
    before = catalog.attribute_types()
    catalog.note_keys("span", "DOUBLE", ["k"])
    catalog.note_keys("span", "BIGINT", ["k"])
    assert catalog.attribute_types() == {("span", "k"): "DOUBLE"}
    assert before == {("span", "k"): "BIGINT"}, "a snapshot keeps what it saw"
    assert catalog.changes()[0] == {("span", "k"): "DOUBLE"}


def test_a_service_keeps_its_colour() -> None:
    catalog = Catalog({}, ())
    catalog.note_service("cart", 50, 60)
    catalog.note_service("shop", 10, 20)
    catalog.note_service("cart", 5, 55)
    cart = catalog.services["cart"]
    assert (cart.colour_index, cart.first_seen_unix_nano, cart.last_seen_unix_nano) == (0, 5, 60)
    again = Catalog({}, catalog.services.values())
    again.note_service("new", 1, 2)
    assert again.services["new"].colour_index == 2
