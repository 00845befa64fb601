"""Checkup: reads everything in a data directory and says what is damaged. Changes nothing.

It may run beside a server: segments are immutable, and the journal is read as far as it is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from longpole.model.problem import Problem, Severity
from longpole.storage.checkup import DAMAGED, LOST, UNNAMED, WHOLE, CheckedPart, Checkup
from longpole.storage.data_dir import DataDir
from longpole.storage.duckdb.attachments import Attachments
from longpole.storage.duckdb.damage import damage_of, is_damage
from longpole.storage.duckdb.manifest import Manifest, ManifestDamaged, SegmentEntry
from longpole.storage.duckdb.recovery import manifest_to_read, segment_files
from longpole.storage.duckdb.segment_info import RECORDS_OF_KIND, read_info, read_segment
from longpole.storage.duckdb.unnamed import reasons_to_set_aside
from longpole.storage.journal import read_frames


def check_directory(
    paths: DataDir, memory_limit_bytes: int, done: Callable[[str], None] = lambda name: None
) -> Checkup:
    """Read the manifest, every value of every segment, and every journal frame. `done` is told
    each part. Raises `ManifestVersionMismatch` for a directory of another version, OSError when
    it cannot be listed."""
    manifest: Manifest | None = None
    problems: list[Problem] = []
    size = _size(paths.manifest_path)
    try:
        manifest = manifest_to_read(paths)
    except ManifestDamaged as error:
        parts = [CheckedPart("manifest", DAMAGED, 0, size, str(error))]
        entries: Sequence[SegmentEntry] | None = None
        sealed_through, losses = 0, {}
    else:
        entries = manifest.segments()
        sealed_through, losses = manifest.sealed_through, manifest.counts("lost_")
        parts = [CheckedPart("manifest", WHOLE, len(entries), size)]
    done("manifest")
    try:
        attachments = Attachments(paths.tmp, memory_limit_bytes, 2)
        try:
            if entries is None:
                entries = _entries_of_files(attachments, paths, parts)
            for entry in entries:
                part = _segment(attachments, paths.segments / entry.file_name, entry)
                if part.state == LOST and manifest is not None and _left(manifest, entry):
                    continue  # a server merged it meanwhile
                parts.append(part)
                done(part.name)
        finally:
            attachments.close()
        if manifest is not None:
            parts += _unnamed(paths, manifest)
    finally:
        if manifest is not None:
            manifest.close()
    frames = read_frames(paths.journal, sealed_through)
    try:
        count = sum(1 for _ in frames)
    except FileNotFoundError:
        count = 0  # a server has sealed it meanwhile
    problems += frames.problems
    is_whole = not any(p.severity is Severity.LOSS for p in frames.problems)
    journal_bytes = sum(_size(path) for path in _files(paths.journal))
    parts.append(
        CheckedPart(
            "journal",
            WHOLE if is_whole else DAMAGED,
            count,
            journal_bytes,
            " ".join(p.message for p in frames.problems if p.severity is Severity.LOSS),
        )
    )
    done("journal")
    quarantine = {path.name: _size(path) for path in _files(paths.quarantine)}
    return Checkup(tuple(parts), tuple(problems), quarantine, losses)


def _entries_of_files(
    attachments: Attachments, paths: DataDir, parts: list[CheckedPart]
) -> list[SegmentEntry]:
    """Without a manifest: what the files say of themselves. Those that say nothing are lost."""
    entries: list[SegmentEntry] = []
    cursor = attachments.cursor()
    for path in segment_files(paths):
        alias = f"seg_{path.stem.rpartition('-')[2]}"
        try:
            attachments.attach(alias, path)
            entries.append(read_info(cursor, alias).entry(_size(path)))
        except Exception as error:
            message = str(error).splitlines()[0]
            parts.append(CheckedPart(path.name, LOST, 0, _size(path), message))
        finally:
            attachments.detach(alias)
    cursor.close()
    return entries


def _segment(attachments: Attachments, path: Path, entry: SegmentEntry) -> CheckedPart:
    alias = f"seg_{entry.segment_id}"
    name = entry.file_name

    def part(state: str, message: str = "") -> CheckedPart:
        return CheckedPart(name, state, entry.row_count, _size(path), message)

    if not path.exists():
        return part(LOST, "the file is missing")
    cursor = attachments.cursor()
    try:
        attachments.attach(alias, path)
        segment = read_segment(cursor, entry, path)
        if (segment.kind, segment.segment_id) != (entry.kind, entry.segment_id):
            return part(LOST, f"it is segment {segment.segment_id} of {segment.kind}")
        message = damage_of(cursor, alias, entry.kind)
        if message:
            return part(DAMAGED, message)
        ((rows,),) = cursor.execute(
            f"SELECT count(*) FROM {alias}.{RECORDS_OF_KIND[entry.kind][0]}"
        ).fetchall()
        if rows != entry.row_count:
            return part(DAMAGED, f"it holds {rows} records, the manifest says {entry.row_count}")
        return part(WHOLE)
    except Exception as error:
        if not is_damage(error) and not path.exists():
            return part(LOST, "the file is missing")
        return part(LOST, str(error).splitlines()[0])
    finally:
        attachments.detach(alias)
        cursor.close()


def _unnamed(paths: DataDir, manifest: Manifest) -> list[CheckedPart]:
    named = {entry.file_name for entry in manifest.segments()}
    found = [path for path in segment_files(paths) if path.name not in named]
    return [
        CheckedPart(path.name, UNNAMED, 0, _size(path), reason or "where its rows are is not known")
        for path, reason in reasons_to_set_aside(paths, manifest, found).items()
    ]


def _left(manifest: Manifest, entry: SegmentEntry) -> bool:
    return all(entry.segment_id != own.segment_id for own in manifest.segments())


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except FileNotFoundError:
        return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
