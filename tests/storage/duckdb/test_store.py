from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from longpole.model.clock import ManualClock
from longpole.model.signals import Signal
from longpole.storage.data_dir import DataDirLocked
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings
from longpole.storage.ports import StorageUnavailable
from tests.storage.duckdb.traffic import (
    START,
    contents,
    logs,
    metrics,
    opened,
    row_counts,
    send,
    spans,
)

IDS = range(1, 60)


def test_spans_read_back_equal_before_and_after_a_seal_and_a_restart(tmp_path: Path) -> None:
    store = opened(tmp_path)
    send(store, *(spans(IDS[n : n + 10], seed=n) for n in range(0, 59, 10)))
    sent = contents(store, IDS)
    assert sum(map(len, sent.values())) == 3 * len(IDS)
    assert any(span["span_events"] for spans_ in sent.values() for span in spans_)
    assert any(span["span_links"] for spans_ in sent.values() for span in spans_)
    store.seal()
    assert store.status().hot_rows == 0
    assert contents(store, IDS) == sent
    store.close()
    again = opened(tmp_path)
    assert contents(again, IDS) == sent
    again.close()


def test_every_signal_survives_a_seal(tmp_path: Path) -> None:
    store = opened(tmp_path)
    send(store, spans(IDS), logs([0, 1, 2]), metrics(7))
    before = row_counts(store), store.logs_of_trace(1)
    assert before[0] == {"traces": 177, "logs": 3, "metrics": 7}
    assert len(before[1]) == 1
    store.seal()
    assert (row_counts(store), store.logs_of_trace(1)) == before
    assert {p.stem.partition("-")[0] for p in (tmp_path / "segments").iterdir()} == {
        "spans",
        "logs",
        "metrics",
    }
    store.close()


def test_a_request_is_accepted_and_visible_before_anything_is_loaded(tmp_path: Path) -> None:
    first = opened(tmp_path)
    send(first, spans([1]))
    first.close()
    store = DuckDBStore.open(StoreSettings(tmp_path), ManualClock(START))
    send(store, spans([2]))
    assert not store.status().is_replayed
    assert set(contents(store, [1, 2])) == {2}
    store.load()
    assert store.status().is_replayed
    assert set(contents(store, [1, 2])) == {1, 2}
    store.close()


def test_opening_does_not_import_duckdb(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from longpole.model.clock import SystemClock; "
        "from longpole.storage.duckdb.store import DuckDBStore, StoreSettings; "
        f"DuckDBStore.open(StoreSettings(Path({str(tmp_path)!r})), SystemClock()); "
        "sys.exit('duckdb' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_equal_request_is_a_repeat_after_its_journal_file_is_gone(tmp_path: Path) -> None:
    store = opened(tmp_path)
    send(store, spans([1]))
    store.seal()
    assert store.submit(spans([1]), START).result(5).is_repeat
    store.close()
    again = opened(tmp_path)
    assert again.submit(spans([1]), START).result(5).is_repeat
    assert row_counts(again)["traces"] == 3
    again.close()


def test_an_empty_request_completes_and_stores_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert not store.submit(spans([]), START).result(5).is_repeat
    assert store.status().journal_bytes == 0 or store.status().hot_rows == 0
    assert row_counts(store)["traces"] == 0
    store.close()


def test_a_closed_store_refuses_and_gives_the_directory_back(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(DataDirLocked):
        opened(tmp_path)
    store.close()
    store.close()
    assert store.status().hot_rows == 0
    with pytest.raises(StorageUnavailable):
        store.submit(spans([1]), START).result(5)
    opened(tmp_path).close()


def test_a_reader_without_a_server_sees_segments_and_journal(tmp_path: Path) -> None:
    store = opened(tmp_path)
    send(store, spans([1, 2]))
    store.seal()
    send(store, spans([3]))
    sent = contents(store, [1, 2, 3])
    before = sorted(p.name for p in tmp_path.rglob("*"))
    reader = DuckDBStore.open_read_only(StoreSettings(tmp_path), ManualClock(START))
    assert contents(reader, [1, 2, 3]) == sent
    assert reader.status().record_counts[Signal.TRACES] == 9
    reader.close()
    assert sorted(p.name for p in tmp_path.rglob("*")) == before
    store.close()


def test_typed_columns_are_chosen_from_the_data(tmp_path: Path) -> None:
    store = opened(tmp_path)
    send(store, spans(range(1, 500), seed=4))
    store.seal()
    with store.lease() as lease:
        (segment,) = lease.snapshot.segments_of("spans")
        pairs = {(column.key, column.type) for column in segment.attribute_columns}
        assert lease.snapshot.attribute_types[("span", "mixed")] == "VARCHAR"
        assert lease.snapshot.attribute_types[("resource", "host.cores")] == "BIGINT"
    assert {("http.route", "str"), ("http.response.status_code", "int")} <= pairs
    assert {("mixed", t) for t in ("str", "int", "dbl", "bool")} <= pairs
    assert not any(key.startswith("rare.") for key, _ in pairs)
    store.close()


def test_equal_spans_from_clients_that_batch_again_are_dropped_and_counted(tmp_path: Path) -> None:
    store = opened(tmp_path)
    send(store, spans([1, 2], seed=5), spans([1, 2], seed=5, service="other"))
    sent = contents(store, [1, 2])
    # The same spans come again in another envelope: no repeat of a request, equal spans.
    again = spans([1, 2, 3], seed=5)
    assert not store.submit(again, START).result(5).is_repeat
    assert row_counts(store)["traces"] == 21
    store.seal()
    assert row_counts(store)["traces"] == 15
    assert store.status().duplicate_spans_dropped == 6
    assert contents(store, [1, 2]) == sent
    store.close()
