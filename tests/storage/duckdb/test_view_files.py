"""The shelf of view files is bounded in bytes and age, and never gives a damaged view."""

from __future__ import annotations

from pathlib import Path

import pytest

from longpole.model.clock import ManualClock
from longpole.storage.duckdb.view_files import ViewFiles
from longpole.storage.memory_views import MemoryViews

DAY_NS = 86_400 * 10**9


def shelf(folder: Path, clock: ManualClock, most_bytes: int = 1_000) -> ViewFiles:
    return ViewFiles(folder, clock, most_bytes, DAY_NS)


def test_when_there_is_no_room_the_views_put_first_are_forgotten(tmp_path: Path) -> None:
    files = shelf(tmp_path, ManualClock())
    for trace_id in (1, 2, 3):
        files.put(trace_id, 1, bytes(400))
    assert [files.view(trace_id, 1) is None for trace_id in (1, 2, 3)] == [True, False, False]
    files.put(2, 1, bytes(2_000))
    assert files.view(2, 1) is None
    assert [path.name for path in tmp_path.iterdir()] == [f"{3:032x}-1.view"]


def test_memory_forgets_in_the_same_order() -> None:
    views = MemoryViews(1_000)
    for trace_id in (1, 2, 3):
        views.put(trace_id, 1, bytes(400))
    views.put(4, 1, bytes(2_000))
    kept = [views.view(trace_id, 1) is not None for trace_id in (1, 2, 3, 4)]
    assert kept == [False, True, True, False]


def test_a_restart_goes_on_with_what_lies_there(tmp_path: Path) -> None:
    clock = ManualClock()
    shelf(tmp_path, clock).put(1, 1, bytes(400))
    clock.advance(1.0)
    shelf(tmp_path, clock).put(2, 1, bytes(400))
    (tmp_path / "x.tmp").write_bytes(b"left by a crash")
    files = shelf(tmp_path, clock)
    files.put(3, 1, bytes(400))
    kept = [files.view(trace_id, 1) is not None for trace_id in (1, 2, 3)]
    assert kept == [False, True, True]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_view_goes_when_it_is_older_than_data_may_be(tmp_path: Path) -> None:
    clock = ManualClock()
    files = shelf(tmp_path, clock)
    files.put(1, 1, b"old")
    clock.advance(86_401.0)
    files.put(2, 1, b"new")
    files.sweep()
    assert (files.view(1, 1), files.view(2, 1)) == (None, b"new")


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:-1] + b"!"])
def test_a_damaged_view_is_as_good_as_none(tmp_path: Path, damage: object) -> None:
    files = shelf(tmp_path, ManualClock())
    files.put(1, 1, b"view")
    [path] = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert files.view(1, 1) is None


def test_a_view_that_cannot_be_written_is_not_kept_without_a_word(tmp_path: Path) -> None:
    files = shelf(tmp_path / "missing", ManualClock())
    files.put(1, 1, b"view")
    assert files.view(1, 1) is None
