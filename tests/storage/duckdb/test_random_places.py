"""F-CORRUPT on big files: a changed byte at random places of a store costs the rows of the blocks
that it hit, and they are counted; all other rows are as they were."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from longpole.storage.duckdb.parents import with_parents
from longpole.storage.duckdb.store import DuckDBStore
from tests.storage.duckdb.damage import flip, segment_files
from tests.storage.duckdb.traffic import logs, opened, row_counts, send, spans

TRACES, PER_TRACE = 15_000, 5
RECORDS = {"traces": TRACES * PER_TRACE, "logs": TRACES, "metrics": 0}
Rows = dict[int, int]


@dataclass(frozen=True, slots=True)
class Store:
    """A closed data directory, and the hash of every stored span by its row id."""

    path: Path
    rows: Rows


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Store:
    path = tmp_path_factory.mktemp("big") / "data"
    store = opened(path)
    for first in range(1, TRACES + 1, 1_000):
        ids = range(first, first + 1_000)
        send(store, spans(ids, seed=first, per_trace=PER_TRACE), logs(ids, seed=first))
    store.seal()
    rows = hashes(store)
    store.close()
    assert len(rows) == RECORDS["traces"]
    return Store(path, rows)


def hashes(store: DuckDBStore) -> Rows:
    """Row id to a hash of all that is stored of the span."""
    found: Rows = {}
    with store.lease() as lease:
        for segment in lease.snapshot.segments_of("spans"):
            relation = with_parents(f"{segment.alias}.spans")
            whole = f"SELECT * EXCLUDE (rowid) FROM {relation}"
            sql = f"SELECT row_id, hash(t) AS h FROM ({whole}) t"
            columns: dict[str, npt.NDArray[np.uint64]] = lease.cursor().execute(sql).fetchnumpy()
            found |= dict(zip(columns["row_id"].tolist(), columns["h"].tolist(), strict=True))
    return found


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "places",
    [pytest.param(20, marks=pytest.mark.full), pytest.param(200, marks=pytest.mark.proof)],
)
def test_a_changed_byte_anywhere_costs_only_counted_rows(
    big: Store, tmp_path: Path, places: int
) -> None:
    chance = random.Random(places)
    whole = 0
    for number in range(places):
        copy = tmp_path / str(number)
        shutil.copytree(big.path, copy)
        files = [*segment_files(copy, "spans"), *segment_files(copy, "logs")]
        (file,) = chance.choices(files, weights=[path.stat().st_size for path in files])
        place = chance.randrange(file.stat().st_size)
        flip(file, place, chance.randrange(8))
        print(f"{file.name}, byte {place}")
        store = opened(copy)
        store.repair()
        left, losses = hashes(store), store.status().losses
        assert left.items() <= big.rows.items()
        lost = sum(RECORDS.values()) - sum(row_counts(store).values())
        counted = ("lost_segment_rows", "lost_damaged_spans", "lost_damaged_logs")
        assert lost == sum(losses.get(reason, 0) for reason in counted)
        whole += not losses
        store.close()
        shutil.rmtree(copy)
    assert whole < places, "some places must matter"
