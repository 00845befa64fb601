from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from longpole.model.clock import ManualClock
from longpole.storage.duckdb import sealer, segment_writer
from longpole.storage.duckdb.ranges import pieces_of
from tests.storage.duckdb.test_settlement import settle, visible
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

# Ids of 64 and of 128 bits, so that either half of the key has to decide.
IDS = [*range(1, 30), *((1 << 64) * n + 5 for n in range(1, 30))]


@pytest.mark.parametrize("row_group", [3, 10**6])
@pytest.mark.parametrize("piece_rows", [7, 50])
def test_a_seal_in_pieces_keeps_every_row_in_order(
    tmp_path: Path, piece_rows: int, row_group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealer, "sealed_piece_rows", lambda kind: piece_rows)
    monkeypatch.setattr(segment_writer, "row_group_rows", lambda kind: row_group)
    clock = ManualClock(START)
    store = opened(tmp_path, clock)
    send(store, spans(IDS, seed=1), logs([0, *IDS], seed=1), metrics(90, seed=1))
    sent, counts = contents(store, IDS), row_counts(store)
    # The same again in other requests: equal spans have to meet in one piece.
    send(store, spans(IDS[:40], seed=1))
    clock.advance(100)
    assert len(settle(store)) == len(IDS)
    settled = visible(store)
    store.seal()
    assert store.status().hot_rows == 0
    assert store.status().duplicate_spans_dropped == 3 * len(IDS[:40])
    assert (contents(store, IDS), row_counts(store)) == (sent, counts)
    assert visible(store) == settled
    with store.lease() as lease:
        (whole,) = lease.snapshot.segments_of("spans")
        rows = lease.cursor().execute(f"SELECT trace_hi, trace_lo FROM {whole.alias}.spans")
        found = rows.fetchall()
        assert found == sorted(found)
        assert len(found) == whole.row_count
        assert all(whole.bloom.may_contain(trace_id) for trace_id in IDS)
    store.close()


def test_pieces_are_of_about_the_same_size_and_share_no_key() -> None:
    keys = [n * 7919 % 997 for n in range(1000)] + [500] * 300
    empty: list[int] = []
    tables = {
        "spans": pa.table({"trace_hi": pa.array([0] * 1300, pa.uint64()),
                           "trace_lo": pa.array(keys, pa.uint64())}),
        "span_events": pa.table({"trace_hi": pa.array(empty, pa.uint64()),
                                 "trace_lo": pa.array(empty, pa.uint64())}),
        "resources": pa.table({"resource_id": pa.array([1, 2], pa.uint64())}),
    }  # fmt: skip
    pieces = list(pieces_of("spans", tables, 100))
    own = [piece["spans"].column("trace_lo").to_pylist() for piece in pieces]
    assert sorted(key for keys_of in own for key in keys_of) == sorted(keys)
    assert all(max(low) < min(high) for low, high in zip(own, own[1:], strict=False))
    assert max(map(len, own)) < 500
    assert sorted(map(len, own))[-2] < 200
    assert [("resources" in piece) for piece in pieces] == [True] + [False] * (len(pieces) - 1)


def test_few_rows_are_one_piece() -> None:
    tables = {"spans": pa.table({"trace_hi": [1, 0], "trace_lo": [1, 2]})}
    assert list(pieces_of("spans", tables, 2)) == [tables]
