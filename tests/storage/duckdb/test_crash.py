from __future__ import annotations

from pathlib import Path

import pytest

from longpole.model.clock import ManualClock
from longpole.storage.duckdb import merge
from tests.storage.duckdb.traffic import (
    START,
    Photographer,
    contents,
    logs,
    opened,
    row_counts,
    send,
    spans,
)

IDS = range(1, 40)


def test_a_kill_at_any_step_of_a_seal_loses_and_doubles_nothing(tmp_path: Path) -> None:
    camera = Photographer(tmp_path / "album")
    store = opened(tmp_path / "data", at=camera)
    send(store, spans(IDS[:10]))
    store.seal()
    send(store, spans(IDS[10:]), logs(IDS))
    sent, counts = contents(store, IDS), row_counts(store)
    camera.source = tmp_path / "data"
    store.seal()
    camera.source = None
    store.close()
    steps = {name.partition("-")[2] for name in camera.pictures}
    assert steps == {
        "frozen", "written", "renamed", "attached", "committed", "swapped", "released",
    }  # fmt: skip
    for name, picture in camera.pictures.items():
        survivor = opened(picture)
        assert (contents(survivor, IDS), row_counts(survivor)) == (sent, counts), name
        survivor.seal()
        assert (contents(survivor, IDS), row_counts(survivor)) == (sent, counts), name
        assert not list((picture / "segments").glob("*.tmp")), name
        assert survivor.status().losses == {}
        survivor.close()


def test_a_kill_at_any_step_of_a_merge_loses_and_doubles_nothing(tmp_path: Path) -> None:
    camera = Photographer(tmp_path / "album")
    store = opened(tmp_path / "data", at=camera, compact_files=3)
    for number in range(3):
        send(store, spans(IDS[number * 10 : number * 10 + 13], seed=number))
        store.seal()
    sent, counts = contents(store, IDS), row_counts(store)
    camera.source = tmp_path / "data"
    store.tick()
    camera.source = None
    assert store.status().segment_count == 1
    assert (contents(store, IDS), row_counts(store)) == (sent, counts)
    store.close()
    assert len(camera.pictures) == 5
    for name, picture in camera.pictures.items():
        survivor = opened(picture)
        assert (contents(survivor, IDS), row_counts(survivor)) == (sent, counts), name
        survivor.close()


def test_what_is_due_is_sealed_in_the_middle_of_a_merge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "row_group_rows", lambda kind: 20)
    camera = Photographer(tmp_path / "album")

    def at(step: str) -> None:
        if step == "merge started":
            # As many as there are in memory when a merge takes long: a seal is due.
            send(store, spans(IDS[30:], seed=7), logs(IDS))
            sent.update(contents(store, IDS))
            counts.update(row_counts(store))
            camera.source = tmp_path / "data"
        camera(step)

    store = opened(tmp_path / "data", at=at, compact_files=3, seal_rows=20)
    for number in range(3):
        send(store, spans(IDS[number * 10 : number * 10 + 13], seed=number))
        store.seal()
    sent, counts = contents(store, IDS), row_counts(store)
    store.tick()
    camera.source = None
    steps = [name.partition("-")[2] for name in camera.pictures]
    assert steps.index("merge-started") < steps.index("swapped") < steps.index("merge-written")
    assert store.status().segment_count == 3
    assert (contents(store, IDS), row_counts(store)) == (sent, counts)
    assert store.status().problems == ()
    store.close()
    for name, picture in camera.pictures.items():
        survivor = opened(picture)
        assert (contents(survivor, IDS), row_counts(survivor)) == (sent, counts), name
        send(survivor, spans(IDS[:3], seed=9))
        survivor.seal()
        assert not list((picture / "segments").glob("*.tmp")), name
        survivor.close()


@pytest.mark.parametrize("step", ["written", "renamed", "attached"])
def test_a_seal_that_fails_changes_nothing_and_is_repeated(tmp_path: Path, step: str) -> None:
    fails = [step]

    def at(name: str) -> None:
        if name in fails:
            raise OSError(28, "No space left on device")

    clock = ManualClock(START)
    store = opened(tmp_path, clock, at, seal_after_seconds=1)
    send(store, spans(IDS[:20]))
    clock.advance(2)
    store.tick()
    send(store, spans(IDS[20:]))
    sent = contents(store, IDS)
    assert len(sent) == len(IDS)
    assert store.status().segment_count == 0
    assert any(problem.code == "seal_failing" for problem in store.status().problems)
    assert list((tmp_path / "segments").iterdir()) == []
    fails.clear()
    clock.advance(2)
    store.tick()
    assert store.status().segment_count == 1
    assert contents(store, IDS) == sent
    store.seal()
    assert store.status().hot_rows == 0
    assert contents(store, IDS) == sent
    assert not any(problem.code == "seal_failing" for problem in store.status().problems)
    store.close()


@pytest.mark.parametrize("damage", ["lost", "garbage", "cut", "empty"])
def test_a_manifest_that_is_gone_is_rebuilt_from_the_segments(tmp_path: Path, damage: str) -> None:
    store = opened(tmp_path, compact_files=3)
    for number in range(3):
        send(store, spans(IDS[number * 10 : number * 10 + 10], seed=number))
        store.seal()
    store.tick()
    send(store, spans(IDS[30:]), logs(IDS))
    store.seal()
    sent, counts, keys = contents(store, IDS), row_counts(store), dict(store.attribute_keys())
    store.close()
    manifest = tmp_path / "manifest.sqlite"
    if damage == "lost":
        manifest.unlink()
    elif damage == "garbage":
        manifest.write_bytes(b"not a database" * 1000)
    else:
        manifest.write_bytes(manifest.read_bytes()[: 5000 if damage == "cut" else 0])
    again = opened(tmp_path)
    assert (contents(again, IDS), row_counts(again)) == (sent, counts)
    assert dict(again.attribute_keys()) == keys
    codes = {problem.code for problem in again.status().problems}
    assert codes == {"manifest_lost" if damage == "lost" else "manifest_damaged"}
    if damage != "lost":
        assert (tmp_path / "quarantine" / "manifest.sqlite").exists()
    again.close()


def test_a_manifest_lost_in_the_middle_of_a_seal_leaves_the_seal_to_the_journal(
    tmp_path: Path,
) -> None:
    camera = Photographer(tmp_path / "album")
    store = opened(tmp_path / "data", at=camera)
    send(store, spans(IDS[:10]))
    store.seal()
    send(store, spans(IDS[10:]), logs(IDS))
    sent, counts = contents(store, IDS), row_counts(store)
    camera.source = tmp_path / "data"
    store.seal()
    camera.source = None
    store.close()
    for name, picture in camera.pictures.items():
        for part in picture.glob("manifest.sqlite*"):
            part.unlink()
        survivor = opened(picture)
        assert (contents(survivor, IDS), row_counts(survivor)) == (sent, counts), name
        survivor.close()


def test_a_damaged_segment_is_set_aside_and_the_rest_still_answers(tmp_path: Path) -> None:
    store = opened(tmp_path)
    send(store, spans(IDS[:10]))
    store.seal()
    send(store, spans(IDS[10:]))
    store.seal()
    sent = contents(store, IDS)
    store.close()
    (tmp_path / "segments" / "spans-1.duckdb").write_bytes(b"\0" * 4096)
    again = opened(tmp_path)
    assert contents(again, IDS) == {t: sent[t] for t in IDS[10:]}
    assert again.status().losses == {"lost_segment_rows": 30}
    assert (tmp_path / "quarantine" / "spans-1.duckdb").exists()
    again.close()
    last = opened(tmp_path)
    assert last.status().losses == {"lost_segment_rows": 30}, "counted for good"
    last.close()
