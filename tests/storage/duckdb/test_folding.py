"""Folded rows are given back as they came, whatever they are; and they take less."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from longpole.model import columns
from longpole.model.clock import ManualClock
from longpole.storage.duckdb import folded, folding
from longpole.storage.duckdb.folded import FOLDED_TABLES, Folding
from longpole.storage.duckdb.folding import Folder
from longpole.storage.duckdb.hot import SCHEMAS
from longpole.storage.duckdb.segment_writer import sort_rows
from longpole.storage.duckdb.store import DuckDBStore
from longpole.storage.duckdb.unfolding import unfolded
from longpole.storage.ports import DerivedRows
from tests.storage.duckdb.traffic import opened, send, spans
from tests.storage.span_examples import derived_of

STEP = columns.RED_STEP_NS
WIDEST = 1 << 63
Row = dict[str, Any]


def some_traces(seed: int, count: int) -> dict[str, list[Row]]:
    """Derived rows of so many traces: most as the analyzer makes them, every third odd."""
    draw = random.Random(seed)
    rows: dict[str, list[Row]] = {name: [] for name in ("traces", *FOLDED_TABLES)}
    for number in range(count):
        key = {"trace_hi": draw.choice((0, 7, 1 << 63)), "trace_lo": number, "revision": 1}
        start = draw.choice((0, -5, 1_700_000_000_123_456_789, WIDEST - 9, -WIDEST))
        root = {"root_service": "shop", "root_operation": draw.choice(("GET", "PUT"))}
        made = blank("traces") | key | root | {"start_unix_nano": start, "root_span_id": 1}
        rows["traces"].append(made)
        at = start
        for _ in range(draw.randrange(5)):
            end = min(at + draw.randrange(1_000_000_000), WIDEST - 1)
            rows["path_segments"].append(
                key | root | {
                    "span_id": draw.choice((1, 2, 3, 1 << 63)), "service": draw.choice("abc"),
                    "operation": "x", "peer_service": draw.choice((None, "db", "")),
                    "call_path_id": draw.choice((0, 1 << 63)), "label": "self",
                    "start_unix_nano": at, "end_unix_nano": end,
                }
            )  # fmt: skip
            at = end
        for _ in range(draw.randrange(4)):
            counts = [0] * (len(columns.RED_BOUNDS_NS) + 1)
            for _ in range(draw.choice((1, 1, 1, 2, 40))):
                counts[draw.randrange(len(counts))] += 1
            status = draw.choice((0, 2))
            rows["red"].append(
                key | {
                    "step_unix_nano": 1_700_000_000 * 10**9 + draw.randrange(3) * STEP,
                    "service": draw.choice("ab"), "operation": "y", "kind": 2,
                    "status_code": status, "count": sum(counts),
                    "errors": sum(counts) if status == 2 else 0,
                    "duration_sum_ns": draw.randrange(1 << 40), "bucket_counts": counts,
                    "critical_ns": draw.choice((0, 0, 5, -3)),
                }
            )  # fmt: skip
        rows["settlements"].append(key | {"through_row_id": draw.choice((0, 1 << 63))})
        if number % 3 == 0:
            make_odd(draw, rows)
    return rows


def blank(table: str) -> Row:
    """A row of nothing."""
    return {field.name: "" if pa.types.is_string(field.type) else 0 for field in SCHEMAS[table]} | (
        {"headless": False} if table == "traces" else {}
    )


def make_odd(draw: random.Random, rows: dict[str, list[Row]]) -> None:
    """Change the last trace to what no analyzer should send."""
    table = draw.choice(list(rows))
    last = rows[table][-1] if rows[table] else {}
    name = draw.choice([n for n in last if n not in ("trace_hi", "trace_lo")] or [""])
    value = last.get(name)
    if draw.random() < 0.3 and last:
        rows[table].append(dict(last))  # the same once more
    elif draw.random() < 0.3 and last:
        rows[table].pop()
    elif isinstance(value, int) and not isinstance(value, bool):
        last[name] = draw.choice((0, 3, (1 << 31) - 1))
    elif isinstance(value, list):
        last[name] = draw.choice(([], [1, 2], [WIDEST - 1] * 17, [-1] + [1] * 16))
    elif name in ("service", "operation", "label"):
        last[name] = None


def tables_of(rows: Mapping[str, list[Row]]) -> dict[str, pa.Table]:
    """In the order of a file."""
    return {
        name: sort_rows(name, pa.Table.from_pylist(held, schema=SCHEMAS[name]))
        for name, held in rows.items()
    }


def given_back(tables: Mapping[str, pa.Table], folder: Folder) -> dict[str, list[Row]]:
    """What the relations of `unfolded` give of a database with these tables."""
    found = {}
    with duckdb.connect() as connection:
        for name, table in tables.items():
            connection.register("incoming", table)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM incoming")
        for name, dictionary in folder.dictionaries.items():
            connection.register("incoming", dictionary.table())
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM incoming")
        kept = Folding(frozenset(n for n in FOLDED_TABLES if tables[n].num_rows))
        for name in FOLDED_TABLES:
            sql = f"SELECT * FROM {unfolded('memory', kept, name)}"
            found[name] = connection.sql(sql).to_arrow_table().cast(SCHEMAS[name]).to_pylist()
    return found


def in_any_order(rows: list[Row]) -> list[str]:
    """The same for the same rows."""
    return sorted(map(repr, rows))


@pytest.mark.parametrize("seed", range(12))
def test_every_row_is_given_back_as_it_came(seed: int) -> None:
    rows = some_traces(seed, 40)
    folder = Folder()
    folded_tables = folder.fold(tables_of(rows))
    found = given_back(folded_tables, folder)
    for name in FOLDED_TABLES:
        assert in_any_order(found[name]) == in_any_order(rows[name]), name
    assert folded_tables["traces"].select(columns.TRACES.names) == tables_of(rows)["traces"]
    left = sum(folded_tables[name].num_rows for name in FOLDED_TABLES)
    assert left < sum(len(rows[name]) for name in FOLDED_TABLES), "something is folded"


def test_rows_that_are_folded_are_let_go() -> None:
    rows = some_traces(2, 60)
    usual = {
        row["trace_lo"] for row in rows["traces"]
        if row["trace_lo"] % 3 and row["start_unix_nano"] == 1_700_000_000_123_456_789
    }  # fmt: skip
    well = {name: [row for row in rows[name] if row["trace_lo"] in usual] for name in rows}
    assert all(well.values())

    folded_tables = Folder().fold(tables_of(well))
    for name in FOLDED_TABLES:
        assert folded_tables[name].num_rows == 0, name
        assert folded_tables[name].get_total_buffer_size() < 100, name


def test_what_finds_no_place_in_a_dictionary_stays_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (folded, folding):
        monkeypatch.setattr(module, "MOST_ENTRIES", 12)
    rows = some_traces(1, 40)
    folder = Folder()
    folded_tables = folder.fold(tables_of(rows))
    assert 0 < folded_tables["path_segments"].num_rows < len(rows["path_segments"])
    assert 0 < folded_tables["red"].num_rows < len(rows["red"])
    found = given_back(folded_tables, folder)
    for name in FOLDED_TABLES:
        assert in_any_order(found[name]) == in_any_order(rows[name]), name


def settled(store: DuckDBStore, trace_id: int, red: int) -> None:
    """One more file with one settled trace of as many RED rows."""
    send(store, spans([trace_id], seed=red))
    whole = store.quiet_traces(10, ())
    rows = derived_of(whole)
    (state,) = whole.traces
    of_it = [
        blank("red") | {
            "trace_hi": trace_id >> 64, "trace_lo": trace_id & (1 << 64) - 1,
            "revision": state.revision, "service": "shop", "operation": f"op {trace_id} {one}",
            "count": 1, "bucket_counts": [1] + [0] * len(columns.RED_BOUNDS_NS),
        }
        for one in range(red)
    ]  # fmt: skip
    table = pa.Table.from_pylist(of_it, schema=columns.RED)
    store.put_derived(DerivedRows(rows.settled, {**rows.tables, "red": table}))
    store.seal()


@pytest.mark.parametrize("room", [folded.MOST_ENTRIES, 5])
def test_a_merge_keeps_every_row_whether_or_not_the_new_dictionary_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    for module in (folded, folding):
        monkeypatch.setattr(module, "MOST_ENTRIES", room)
    store = opened(tmp_path, ManualClock(), settle_after_seconds=0.0, compact_files=3)
    for trace_id in (3, 1, 2):
        settled(store, trace_id, red=3)

    def shown(view: str) -> list[str]:
        return in_any_order(store.sql(f"SELECT * FROM {view}").rows.to_pylist())

    before = {view: shown(view) for view in ("red", "path_segments", "traces")}
    assert len(before["red"]) == 9
    for _ in range(4):
        store.tick()
    assert len(list((tmp_path / "segments").glob("derived-*"))) == 1
    assert {view: shown(view) for view in before} == before
    settled(store, 2, red=1)  # a revision replaces what was folded, also once it is merged
    assert len(shown("red")) == 7
    store.close()
