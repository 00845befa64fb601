"""A file that cannot be opened for want of something else is not damaged: it stays where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from longpole.storage.duckdb.attachments import Attachments
from tests.storage.duckdb.damage import damage_table, segment_files
from tests.storage.duckdb.traffic import contents, opened, row_counts, send, spans

IDS = range(1, 21)


def two_segments(path: Path) -> None:
    store = opened(path)
    for part in (IDS[:10], IDS[10:]):
        send(store, spans(part))
        store.seal()
    store.close()


def test_too_many_open_files_cost_no_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_segments(tmp_path)
    attach = Attachments.attach

    def refuse(self: Attachments, alias: str, path: Path) -> None:
        if path.name == "spans-1.duckdb":
            raise OSError(f"IO Error: Cannot open file {path}: Too many open files")
        attach(self, alias, path)

    with monkeypatch.context() as patched:
        patched.setattr(Attachments, "attach", refuse)
        store = opened(tmp_path, compact_files=2)
        store.tick()  # a merge of what is open must not drop what is not
        assert set(contents(store, IDS)) == set(IDS[10:])
        with store.lease() as lease:
            (loss,) = lease.snapshot.losses
        assert "spans-1.duckdb with 30 records cannot be read now" in loss
        assert store.status().losses == {}
        store.close()
    again = opened(tmp_path)
    assert set(contents(again, IDS)) == set(IDS)
    assert again.status().problems == ()
    again.close()


def test_a_file_that_says_nothing_of_itself_keeps_its_rows(tmp_path: Path) -> None:
    two_segments(tmp_path)
    damage_table(segment_files(tmp_path, "spans")[0], "segment_info")
    store = opened(tmp_path)
    assert set(contents(store, IDS)) == set(IDS)
    assert [p.name for p in segment_files(tmp_path, "spans")] == [
        "spans-2.duckdb",
        "spans-3.duckdb",
    ]
    assert store.status().losses == {}
    trace = store.trace(1)
    assert trace is not None
    store.close()
    (tmp_path / "manifest.sqlite").unlink()
    rebuilt = opened(tmp_path)
    assert row_counts(rebuilt)["traces"] == 60
    rebuilt.close()
