from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from longpole.model.problem import Severity
from longpole.model.signals import Signal
from longpole.storage.journal import read_frames
from longpole.storage.journal.frame import HEADER_BYTES, Frame, encode_header, request_hash
from longpole.storage.receipt import Receipt
from tests.storage.journal.filling import bodies, fill, opened, put_now

BODIES = [b"%d" % at * 100 for at in range(1, 10)]
FRAME = HEADER_BYTES + 100  # bytes of each
FOREIGN = b"SQLite format 3\0" * 99
MIDDLE = 4 * FRAME  # where the fifth frame begins


def flip(at: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[at] ^= 0x40
        path.write_bytes(content)

    return damage


def overwrite(at: int, what: bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[at : at + len(what)] = what
        path.write_bytes(content)

    return damage


def change(edit: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_bytes(edit(path.read_bytes()))

    return damage


def replace_frame(at: int, what: bytes) -> Callable[[Path], None]:
    return change(lambda content: content[:at] + what + content[at + FRAME :])


def append(what: bytes) -> Callable[[Path], None]:
    return change(lambda content: content + what)


def cut(byte_count: int) -> Callable[[Path], None]:
    return change(lambda content: content[:-byte_count])


def both(*damages: Callable[[Path], None]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        for one in damages:
            one(path)

    return damage


def without(*numbers: int) -> list[bytes]:
    return [body for number, body in enumerate(BODIES, 1) if number not in numbers]


# What happened to the file, what is left, how many bytes are lost (0: nothing was).
DAMAGE: dict[str, tuple[Callable[[Path], None], list[bytes], int]] = {
    # the seven of Prometheus' write-ahead log
    "torn last record": (cut(1), without(9), 0),
    "bad header": (overwrite(MIDDLE, bytes(HEADER_BYTES)), without(5), FRAME),
    "a fragment out of sequence": (replace_frame(MIDDLE, b""), without(5), 0),
    "bad flags": (overwrite(MIDDLE + 10, b"\xff"), without(5), FRAME),
    "bad checksum": (flip(MIDDLE + 60), without(5), FRAME),
    "bad length": (overwrite(MIDDLE + 12, b"\xff\xff\xff\x7f"), without(5), FRAME),
    "bad content": (flip(MIDDLE + HEADER_BYTES + 50), without(5), FRAME),
    # tails
    "cut within the last header": (cut(FRAME - 20), without(9), 0),
    "cut within the last magic": (cut(FRAME - 3), without(9), 0),
    "a zero tail": (append(bytes(5000)), BODIES, 0),
    "a short zero tail": (append(bytes(7)), BODIES, 0),
    "a last frame of zeros": (overwrite(8 * FRAME, bytes(FRAME)), without(9), 0),
    "a last body of zeros": (overwrite(8 * FRAME + HEADER_BYTES, bytes(100)), without(9), 0),
    "a garbage tail": (append(random.Random(1).randbytes(5000)), BODIES, 5000),
    "a damaged last frame": (flip(8 * FRAME + HEADER_BYTES), without(9), FRAME),
    # the rest
    "the first frame": (flip(3), without(1), FRAME),
    "two frames apart": (both(flip(FRAME), flip(6 * FRAME)), without(2, 7), 2 * FRAME),
    "two frames together": (overwrite(2 * FRAME - 9, b"x" * 18), without(2, 3), 2 * FRAME),
    "a frame in pieces": (replace_frame(MIDDLE, b"shorter than a frame"), without(5), 20),
    "another program's file": (change(lambda _: FOREIGN), [], len(FOREIGN)),
    "an empty file": (change(lambda _: b""), [], 0),
}  # fmt: skip
for field, at in {
    "magic": 0, "version": 8, "signal": 9, "flags": 10, "reserved": 11, "length": 12,
    "arrival": 16, "sequence number": 24, "hash": 32, "salt": 48, "since": 52, "header crc": 56,
    "crc": 60,
}.items():  # fmt: skip
    DAMAGE[f"a flipped bit in the {field}"] = (flip(MIDDLE + at), without(5), FRAME)


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("intact")
    fill(root, BODIES)
    return root


@pytest.fixture
def root(intact: Path, tmp_path: Path) -> Path:
    shutil.copytree(intact / "journal", tmp_path / "journal")
    return tmp_path


def newest(root: Path) -> Path:
    return max((root / "journal").glob("*.journal"))


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_costs_only_the_frames_it_hit(root: Path, kind: str) -> None:
    damage, left, lost_bytes = DAMAGE[kind]
    damage(newest(root))
    damaged = newest(root).read_bytes()
    with opened(root) as journal:
        assert bodies(journal.frames(0)) == left
        losses = dict(journal.losses())
        assert losses.get("journal_damaged_bytes", 0) == lost_bytes
        kept = sum(path.stat().st_size for path in root.glob("quarantine/*"))
        assert kept == losses.get("journal_damaged_bytes", 0), "what was skipped is set aside"
        if lost_bytes:
            worst = [p for p in journal.problems() if p.severity is Severity.LOSS]
            assert str(newest(root)) in worst[0].message
        elif len(left) < len(BODIES) and "sequence" not in kind:
            assert {p.severity for p in journal.problems()} <= {Severity.INFO}
        put_now(journal, b"life goes on")
        again = bodies(journal.frames(0))
    assert again == [*left, b"life goes on"]
    assert newest(root).read_bytes() != damaged
    assert min((root / "journal").glob("*.journal")).read_bytes() == damaged, "never rewritten"


def test_a_file_sent_through_text_mode_is_all_damage(root: Path) -> None:
    change(lambda content: content.replace(b"\n", b"\r\n"))(newest(root))
    with opened(root) as journal:
        assert bodies(journal.frames(0)) == []
        assert journal.losses() == {"journal_damaged_bytes": newest(root).stat().st_size}


def test_frames_missing_in_the_middle_are_counted_as_lost(root: Path) -> None:
    replace_frame(MIDDLE, b"")(newest(root))
    with opened(root) as journal:
        assert bodies(journal.frames(0)) == without(5)
        assert journal.losses() == {"journal_lost_frames": 1}


def test_a_cut_is_a_loss_once_a_later_file_shows_what_was_there(root: Path) -> None:
    with opened(root) as journal:
        put_now(journal, b"next file")
    cut(3 * FRAME + 5)(min((root / "journal").glob("*.journal")))
    with opened(root) as journal:
        assert bodies(journal.frames(0)) == [*BODIES[:5], b"next file"]
        assert journal.losses() == {"journal_lost_frames": 4}


def test_damage_in_what_is_sealed_is_no_loss(root: Path) -> None:
    flip(2 * FRAME + 80)(newest(root))
    with opened(root, sealed_through=4) as journal:
        assert bodies(journal.frames(4)) == BODIES[4:]
        assert journal.problems() == ()


def test_a_request_lost_to_damage_is_stored_when_sent_again(root: Path) -> None:
    flip(MIDDLE + HEADER_BYTES + 5)(newest(root))
    flip(6 * FRAME)(newest(root))
    known = [(request_hash(Signal.TRACES, BODIES[6]), 7, 1_700_000_000_000_000_000)]
    with opened(root, known_hashes=known) as journal:
        assert put_now(journal, BODIES[4]).is_repeat, "its header alone cannot tell yet"
        list(journal.frames(0))
        assert put_now(journal, BODIES[4]) == Receipt(10)
        assert put_now(journal, BODIES[6]) == Receipt(11)
        assert put_now(journal, BODIES[5]).is_repeat


def test_a_frame_inside_a_body_is_never_taken_for_one(tmp_path: Path) -> None:
    inner = Frame(2, Signal.TRACES, 0, bytes(16), b"forged", True)
    forged = encode_header(inner, b"guess"[:4], 1) + b"forged"
    path = fill(tmp_path, [b"first", b"before" + forged + b"after", b"third"])
    flip(HEADER_BYTES + 5 + 70)(path)  # in the second header's neighbourhood
    with opened(tmp_path) as journal:
        assert b"forged" not in bodies(journal.frames(0))
        assert bodies(journal.frames(0)) == [b"first", b"third"]


def test_the_damaged_stretch_is_copied_once(root: Path) -> None:
    flip(MIDDLE)(newest(root))
    for _ in range(2):
        with opened(root) as journal:
            list(journal.frames(0))
    (copy,) = (root / "quarantine").iterdir()
    assert copy.read_bytes() == newest(root).read_bytes()[MIDDLE : MIDDLE + FRAME]


def test_a_directory_in_place_of_a_file_is_left_alone(root: Path) -> None:
    odd = root / "journal" / f"{10:020d}.journal"
    odd.mkdir()
    (root / "journal" / "notes.txt").write_text("mine")
    with opened(root) as journal:
        assert bodies(journal.frames(0)) == BODIES
        assert put_now(journal, b"goes on") == Receipt(11)
        assert bodies(journal.frames(9)) == [b"goes on"]
        journal.release(11)
        assert {p.code for p in journal.problems()} == {
            "journal_unreadable_file", "journal_foreign_file",
        }  # fmt: skip
    assert sorted(path.name for path in (root / "journal").iterdir()) == [odd.name, "notes.txt"]


def test_a_file_that_cannot_be_opened_costs_only_itself(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(root) as journal:
        put_now(journal, b"second file")
    unreadable = min((root / "journal").glob("*.journal"))
    real = os.open

    def refuse(path: object, *arguments: int) -> int:
        if path == unreadable:
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)
    with opened(root) as journal:
        assert bodies(journal.frames(0)) == [b"second file"]
        assert journal.losses() == {"journal_lost_frames": 9}
        assert "journal_unreadable_file" in {p.code for p in journal.problems()}


def test_a_page_the_disk_cannot_give_costs_only_its_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [b"%03d" % at * 500 for at in range(100)]
    fill(tmp_path, sent)
    real = os.pread

    def fail(fd: int, length: int, offset: int) -> bytes:
        if offset <= 40_960 < offset + length:
            raise OSError(5, "Input/output error")
        return real(fd, length, offset)

    monkeypatch.setattr(os, "pread", fail)
    found = bodies(read_frames(tmp_path / "journal", 0))
    assert set(found) < set(sent)
    assert len(sent) - len(found) in range(1, 6)


def test_a_foreign_file_under_our_name_is_set_aside_not_deleted(root: Path) -> None:
    newest(root).write_bytes(FOREIGN)
    with opened(root, sealed_through=9) as journal:
        journal.release(9)
    assert not list((root / "journal").iterdir())
    (kept,) = (root / "quarantine").iterdir()
    assert kept.read_bytes() == FOREIGN


REQUESTS = st.lists(st.binary(max_size=300), min_size=1, max_size=12, unique=True)


@hypothesis_settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
@given(REQUESTS, st.data())
def test_whatever_is_damaged_every_undamaged_frame_survives(
    tmp_path_factory: pytest.TempPathFactory, requests: list[bytes], data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("any")
    path = fill(root, requests)
    content = bytearray(path.read_bytes())
    spans, start = [], 0
    for body in requests:
        spans.append((start, start + HEADER_BYTES + len(body)))
        start = spans[-1][1]
    hit = data.draw(st.lists(st.tuples(st.integers(0, start - 1), st.integers(1, 90)), max_size=4))
    touched: set[int] = set()
    for at, length in hit:
        for position in range(at, min(at + length, start)):
            content[position] ^= data.draw(st.integers(1, 255)) if position == at else 0x55
            touched.add(position)
    path.write_bytes(content)
    with opened(root) as journal:
        found = bodies(journal.frames(0))
    survivors = [
        body
        for body, (begin, end) in zip(requests, spans, strict=True)
        if not touched.intersection(range(begin, end))
    ]
    assert [body for body in found if body in survivors] == survivors
    assert set(found) <= set(requests), "nothing is invented"


@hypothesis_settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
@given(REQUESTS, st.integers(0, 4000), st.binary(max_size=200))
def test_a_journal_cut_anywhere_keeps_what_is_whole(
    tmp_path_factory: pytest.TempPathFactory, requests: list[bytes], at: int, garbage: bytes
) -> None:
    root = tmp_path_factory.mktemp("cut")
    path = fill(root, requests)
    kept = path.read_bytes()[: at % (path.stat().st_size + 1)]
    path.write_bytes(kept + garbage)
    whole, start = [], 0
    for body in requests:
        start += HEADER_BYTES + len(body)
        if start <= len(kept):
            whole.append(body)
    with opened(root) as journal:
        assert bodies(journal.frames(0))[: len(whole)] == whole
        assert not put_now(journal, b"a request of its own, longer than any of the others" * 9
                           ).is_repeat  # fmt: skip
