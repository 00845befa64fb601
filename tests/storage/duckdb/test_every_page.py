"""F-CORRUPT: one flipped byte in each page of a journal, a segment, the manifest and its log in
turn. The store opens, what is not lost is as it was, and what is lost is counted."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from longpole.model.signals import Signal
from longpole.storage.duckdb.store import DuckDBStore
from longpole.storage.ports import StorageError
from tests.storage.duckdb.damage import flip, segment_files
from tests.storage.duckdb.traffic import Row, contents, logs, opened, row_counts, send, spans

SEALED, WAITING = range(1, 31), range(31, 49)
IDS = range(1, 49)
PAGE = 4096
FILES = ("journal", "spans", "logs", "manifest", "log of the manifest")

# A field of a row here, and the loss that may have changed it.
LOST_WITH = {
    "resource": "lost_damaged_resources",
    "scope": "lost_damaged_scopes",
    "span_events": "lost_damaged_span_events",
    "span_links": "lost_damaged_span_links",
}


@dataclass(frozen=True, slots=True)
class Store:
    """A data directory as a kill left it, and what it holds."""

    path: Path
    held: dict[int, list[Row]]
    counts: dict[str, int]

    def file(self, root: Path, name: str) -> Path:
        manifest = root / "manifest.sqlite"
        if name == "journal":
            (path,) = (root / "journal").iterdir()
            return path
        if name.endswith("manifest"):
            return manifest if name == "manifest" else manifest.with_name("manifest.sqlite-wal")
        return segment_files(root, name)[0]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("store")
    store = opened(root / "data")
    # A reader keeps the last change in the log of the manifest.
    with closing(sqlite3.connect(root / "data" / "manifest.sqlite")) as reader:
        reader.execute("BEGIN").execute("SELECT * FROM meta").fetchone()
        send(store, spans(SEALED), logs(SEALED))
        store.seal()
        for first in range(WAITING.start, WAITING.stop, 3):
            send(store, spans(range(first, first + 3)), logs(range(first, first + 3)))
        held, counts = contents(store, IDS), row_counts(store)
        shutil.copytree(root / "data", root / "killed")
    store.close()
    (root / "killed" / "manifest.sqlite-shm").unlink(missing_ok=True)
    return Store(root / "killed", held, counts)


def check_pages(killed: Store, tmp_path: Path, name: str, most: int | None) -> None:
    """Flip one byte in each page, or in `most` pages of the file."""
    chance = random.Random(name)
    size = killed.file(killed.path, name).stat().st_size
    pages = list(range(0, size, PAGE))
    assert pages, f"the {name} is empty"
    for page in pages if most is None else chance.sample(pages, min(most, len(pages))):
        copy = tmp_path / f"{page}"
        shutil.copytree(killed.path, copy)
        offset = chance.randrange(page, min(page + PAGE, size))
        flip(killed.file(copy, name), offset, chance.randrange(8))
        store = opened(copy)
        try:
            check_what_is_left(store, killed, name)
        except BaseException:
            print(f"{name}: byte {offset} of {size}")
            raise
        finally:
            store.close()
        shutil.rmtree(copy)


def check_what_is_left(store: DuckDBStore, killed: Store, name: str) -> None:
    for signal in (Signal.TRACES, Signal.LOGS):
        read_everything(store, signal)
    left, counts, losses = contents(store, IDS), row_counts(store), store.status().losses
    hit_fields = {field for field, reason in LOST_WITH.items() if reason in losses}
    for trace, rows in left.items():
        whole = [without(row, hit_fields) for row in killed.held[trace]]
        assert all(without(row, hit_fields) in whole for row in rows)
    gone = {signal: killed.counts[signal] - counts[signal] for signal in killed.counts}
    if name.endswith("manifest"):
        assert left == killed.held
        assert not any(gone.values())
        assert losses == {}
    elif name == "journal":
        assert gone["traces"] in (0, 9)  # one request, or a place that says nothing
        assert gone["logs"] in (0, 3)
        assert all(trace in left for trace in SEALED)
        assert ("journal_damaged_bytes" in losses) == (gone["traces"] + gone["logs"] > 0)
    else:
        assert all(trace in left for trace in WAITING)
        hit = "logs" if name == "logs" else "traces"
        counted = losses.get("lost_segment_rows", 0)
        counted += losses.get("lost_damaged_spans", 0) + losses.get("lost_damaged_logs", 0)
        assert gone.pop(hit) == counted
        assert not any(gone.values())


def without(row: Row, fields: set[str]) -> Row:
    return {name: value for name, value in row.items() if name not in fields}


def read_everything(store: DuckDBStore, signal: Signal) -> None:
    """So that what is damaged is met, and repaired."""
    try:
        list(store.export(signal))
    except StorageError:  # met after the first piece of the answer was out
        list(store.export(signal))


@pytest.mark.parametrize("name", ["spans", "manifest"])
def test_a_flipped_byte_costs_only_what_it_hit(killed: Store, tmp_path: Path, name: str) -> None:
    check_pages(killed, tmp_path, name, most=2)


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_in_every_page_costs_only_what_it_hit(
    killed: Store, tmp_path: Path, name: str
) -> None:
    check_pages(killed, tmp_path, name, most=None)
