"""Recovery: makes a data directory whole before it is used.

unfinished *.tmp             deleted
finished, not in manifest    quarantine/ when its rows are elsewhere, reported; otherwise the
                             manifest is damaged
in manifest, not there       dropped from the manifest, reported as a loss
manifest damaged or lost     rebuilt from every segment's `segment_info`
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longpole.model.problem import Problem, Severity
from longpole.storage.data_dir import DataDir
from longpole.storage.duckdb.attachments import Attachments
from longpole.storage.duckdb.catalog import Catalog
from longpole.storage.duckdb.damage import is_damage, is_passing
from longpole.storage.duckdb.manifest import (
    Manifest,
    ManifestChange,
    ManifestDamaged,
    SegmentEntry,
    segment_file_name,
)
from longpole.storage.duckdb.manifest_digest import kept_counts
from longpole.storage.duckdb.segment_info import (
    SegmentInfo,
    read_info,
    read_segment,
    segment_from_entry,
)
from longpole.storage.duckdb.snapshot import Segment
from longpole.storage.duckdb.superseded import hidden_revisions
from longpole.storage.duckdb.unnamed import reasons_to_set_aside
from longpole.storage.journal import JournalFrames, journal_frames

if TYPE_CHECKING:
    import duckdb

_SEGMENT_FILE = re.compile(r"(spans|logs|metrics|derived)-(\d+)\.duckdb")
_HEADER_BYTES = 512
LOST_SEGMENT_ROWS = "lost_segment_rows"


@dataclass(slots=True)
class Findings:
    """What recovery had to do."""

    problems: list[Problem] = field(default_factory=list)
    lost_rows: int = 0
    undecodable_frames: int = 0
    journal_losses: Mapping[str, int] = field(default_factory=dict)

    def losses(self) -> dict[str, int]:
        """Counts by reason, only those that happened."""
        counts = {
            LOST_SEGMENT_ROWS: self.lost_rows,
            "undecodable_frames": self.undecodable_frames,
        }
        found = {reason: number for reason, number in counts.items() if number}
        return {**found, **self.journal_losses}

    def report(self, code: str, message: str, severity: Severity = Severity.WARNING) -> None:
        """Add a problem."""
        self.problems.append(Problem(code, message, severity))


@dataclass(slots=True)
class Attached:
    """What came of attaching: segments to query; of them those that say nothing of themselves any
    more, to be written again; the ids of those that are missing or damaged as a whole."""

    segments: list[Segment] = field(default_factory=list)
    half_read: list[Segment] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)


def open_manifest(paths: DataDir, findings: Findings) -> Manifest:
    """The manifest, rebuilt first when it is damaged or lost while segments exist.

    Raises `ManifestVersionMismatch` for one of another version.
    """
    if not paths.manifest_path.exists():
        if segment_files(paths):
            findings.report(
                "manifest_lost",
                "The manifest is missing; it was rebuilt from the segments.",
            )
            _rebuild(paths, findings, {})
        return Manifest.open(paths.manifest_path)
    try:
        # SQLite would take a file without a header for a new, empty database.
        if paths.manifest_path.stat().st_size < _HEADER_BYTES and segment_files(paths):
            raise ManifestDamaged(f"the manifest {paths.manifest_path.name} is empty")
        manifest = Manifest.open(paths.manifest_path)
        try:
            refuse_an_older_one(paths, manifest)
        except BaseException:
            manifest.close()
            raise
        return manifest
    except ManifestDamaged as error:
        kept = _set_aside_manifest(paths)
        findings.report(
            "manifest_damaged",
            f"{error}. It was moved to quarantine/{kept.name} and rebuilt from the segments.",
        )
    _rebuild(paths, findings, kept_counts(kept))
    return Manifest.open(paths.manifest_path)


def manifest_to_read(paths: DataDir) -> Manifest:
    """The manifest for a reader that may change nothing. Raises `ManifestDamaged`, with what
    to do about it, or `ManifestVersionMismatch`."""
    try:
        if not paths.manifest_path.exists():
            raise ManifestDamaged(f"the manifest {paths.manifest_path} is missing")
        manifest = Manifest.open(paths.manifest_path, read_only=True)
        try:
            refuse_an_older_one(paths, manifest)
        except BaseException:
            manifest.close()
            raise
    except ManifestDamaged as error:
        raise ManifestDamaged(
            f"{error}. Start `longpole serve --data-dir {paths.path}` once: it rebuilds the "
            "manifest from the segments."
        ) from error
    return manifest


def clean_segments(paths: DataDir, manifest: Manifest, findings: Findings) -> None:
    """Delete unfinished files, set unnamed ones aside and say where their rows are."""
    named = {entry.file_name for entry in manifest.segments()}
    for path in sorted(paths.segments.iterdir()):
        if path.name not in named and path.name.endswith((".tmp", ".tmp.wal", ".duckdb.wal")):
            path.unlink()
    for path, reason in reasons_to_set_aside(paths, manifest, _unnamed(paths, manifest)).items():
        kept = set_aside(path, paths.quarantine)
        findings.report(
            "unnamed_segment",
            f"{path.name} is not in the manifest"
            + (f": {reason}" if reason else ", and where its rows are is not known")
            + f". It was moved to quarantine/{kept.name}.",
            Severity.INFO if reason else Severity.LOSS,
        )


def refuse_an_older_one(paths: DataDir, manifest: Manifest) -> None:
    """Raise `ManifestDamaged` when files hold the only copy of rows the manifest is silent of:
    then it is what was left after its write-ahead log was lost or cut."""
    reasons = reasons_to_set_aside(paths, manifest, _unnamed(paths, manifest))
    orphans = sorted(path.name for path, reason in reasons.items() if reason is None)
    if orphans:
        raise ManifestDamaged(
            f"the manifest {paths.manifest_path.name} is older than the segments: it does not "
            f"know {', '.join(orphans[:3])}{' and others' if orphans[3:] else ''}, whose rows "
            "are nowhere else"
        )


def _unnamed(paths: DataDir, manifest: Manifest) -> list[Path]:
    named = {entry.file_name for entry in manifest.segments()}
    return [path for path in segment_files(paths) if path.name not in named]


def next_segment_id(paths: DataDir, manifest: Manifest) -> int:
    """Higher than every id ever used, quarantined ones included."""
    found = [
        int(match[2])
        for folder in (paths.segments, paths.quarantine)
        for path in folder.iterdir()
        if (match := _SEGMENT_FILE.match(path.name))
    ]
    used = [entry.segment_id for entry in manifest.segments()]
    return max([0, *found, *used, manifest.number("next_segment_id") - 1]) + 1


def attach_segments(
    paths: DataDir,
    entries: tuple[SegmentEntry, ...],
    attachments: Attachments,
    findings: Findings,
    *,
    quarantine: bool = True,
) -> Attached:
    """Attach every file. Damaged ones are set aside, unless `quarantine` is false (somebody else
    owns them)."""
    attached = Attached()
    cursor = attachments.cursor()
    for entry in entries:
        path = paths.segments / entry.file_name
        alias = f"seg_{entry.segment_id}"
        try:
            if not path.exists():
                raise FileNotFoundError("the file is missing")
            attachments.attach(alias, path)
            attached.segments.append(_read(cursor, entry, path, attached.half_read))
        except Exception as error:
            attachments.detach(alias)
            reason = str(error).splitlines()[0]
            what = f"{entry.file_name} with {entry.row_count} records cannot be read"
            if is_passing(error):
                message = f"{what} now ({reason}); it was left where it is."
                findings.report("segment_unavailable", message, Severity.LOSS)
                continue
            attached.lost.append(entry.segment_id)
            is_derived = entry.kind == "derived"
            findings.lost_rows += 0 if is_derived else entry.row_count
            kept = ""
            if quarantine and path.exists():
                kept = f" It was moved to quarantine/{set_aside(path, paths.quarantine).name}."
            findings.report(
                "segment_lost",
                f"{what} ({reason}).{kept}"
                + (" They are derived again from the spans." if is_derived else ""),
                Severity.WARNING if is_derived else Severity.LOSS,
            )
    cursor.close()
    return attached


def _read(
    cursor: duckdb.DuckDBPyConnection, entry: SegmentEntry, path: Path, half_read: list[Segment]
) -> Segment:
    try:
        return read_segment(cursor, entry, path)
    except Exception as error:
        if not is_damage(error):
            raise
    segment = segment_from_entry(cursor, entry, path)
    half_read.append(segment)
    return segment


def set_aside(path: Path, quarantine: Path) -> Path:
    """Move a file into quarantine under a free name."""
    target = quarantine / path.name
    number = 1
    while target.exists():
        target = quarantine / f"{path.name}.{number}"
        number += 1
    os.rename(path, target)
    return target


def segment_files(paths: DataDir) -> list[Path]:
    """The finished segments, whether the manifest names them or not."""
    return [p for p in sorted(paths.segments.iterdir()) if _SEGMENT_FILE.fullmatch(p.name)]


def _set_aside_manifest(paths: DataDir) -> Path:
    kept = set_aside(paths.manifest_path, paths.quarantine)
    for suffix in ("-wal", "-shm"):
        beside = paths.manifest_path.with_name(paths.manifest_path.name + suffix)
        if beside.exists():
            set_aside(beside, paths.quarantine)
    return kept


def _rebuild(paths: DataDir, findings: Findings, counts: Mapping[str, int]) -> None:
    """Write a new manifest from the files, under another name until it is complete."""
    attachments = Attachments(paths.tmp, 1 << 30, 2)
    cursor = attachments.cursor()
    infos: dict[int, SegmentInfo] = {}
    for path in segment_files(paths):
        alias = f"seg_{path.stem.rpartition('-')[2]}"
        try:
            attachments.attach(alias, path)
            info = read_info(cursor, alias)
            infos[info.segment_id] = info
        except Exception as error:
            attachments.detach(alias)
            if is_passing(error):
                raise
            kept = set_aside(path, paths.quarantine)
            findings.lost_rows += 1
            findings.report(
                "segment_lost",
                f"{path.name} says nothing readable of itself ({str(error).splitlines()[0]}); "
                f"it was moved to quarantine/{kept.name}.",
                Severity.LOSS,
            )
    current, sealed_through = complete_segments(infos, journal_frames(paths.journal, 0))
    for message in unexplained_holes(infos.values(), current):
        findings.report("manifest_rebuilt_with_holes", message)
    catalog = Catalog({}, ())
    for info in current:
        for (scope, key), sql_type in info.attribute_types.items():
            catalog.note_keys(scope, sql_type, [key])
        if info.kind == "spans":
            for name, first, last in _rows_of(
                cursor,
                "SELECT service_name, min(start_unix_nano), max(start_unix_nano) "
                f"FROM seg_{info.segment_id}.spans GROUP BY 1 ORDER BY 2, 1",
            ):
                catalog.note_service(name, first, last)
    keys, services = catalog.changes()
    change = ManifestChange(
        added=tuple(
            info.entry(
                (paths.segments / segment_file_name(info.kind, info.segment_id)).stat().st_size
            )
            for info in current
        ),
        sealed_through=sealed_through,
        settled_through=max((info.settled_through for info in current), default=0),
        next_segment_id=max(infos, default=0) + 1,
        superseded=hidden_revisions(
            attachments.cursor(),
            [f"seg_{info.segment_id}" for info in current if info.kind == "derived"],
        ),
        attribute_keys=keys,
        services=services,
        counts=counts,
    )
    attachments.close()
    draft = paths.manifest_path.with_name("manifest.rebuilt")
    draft.unlink(missing_ok=True)
    manifest = Manifest.open(draft)
    manifest.commit(change)
    manifest.close()  # the last connection folds the WAL into the file
    os.rename(draft, paths.manifest_path)


def complete_segments(
    infos: dict[int, SegmentInfo], frames: JournalFrames
) -> tuple[list[SegmentInfo], int]:
    """The segments that count, and up to where everything is sealed.

    A segment whose rows are in a later one does not count. The last seal may lack files
    because it never finished: then the journal has its frames, and it does not count. An
    older seal may lack files that have expired since.
    """
    replaced = {gone for info in infos.values() for gone in info.replaced}
    here = set(infos) | replaced
    current = [info for key, info in sorted(infos.items()) if key not in replaced]
    whole = [
        info
        for info in current
        if here.issuperset(info.siblings)
        or not frames.hold(info.first_sequence, info.last_sequence)
    ]
    sealed_through = max((info.last_sequence for info in whole), default=0)
    counted = [i for i in current if i in whole or i.last_sequence <= sealed_through]
    return counted, sealed_through


def unexplained_holes(infos: Iterable[SegmentInfo], current: Iterable[SegmentInfo]) -> list[str]:
    """What seems to be missing between the segments that a manifest is rebuilt from: a merge
    or an expiry leaves no hole in the middle, and no part of a seal out."""
    messages: list[str] = []
    ranges = sorted((i.first_sequence, i.last_sequence) for i in current if i.kind != "derived")
    reach = ranges[0][1] if ranges else 0
    for first, last in ranges:
        if first > reach + 1:
            messages.append(
                f"Requests {reach + 1} to {first - 1} are in no segment: their files are gone, or "
                "they were never kept."
            )
        reach = max(reach, last)
    known = list(infos)
    here = {i for info in known for i in (info.segment_id, *info.replaced)}
    gone = sorted({i for info in known for i in info.siblings} - here)
    if gone:
        names = ", ".join(str(i) for i in gone[:5])
        messages.append(
            f"Segments that were sealed along with others are gone ({names}"
            f"{' and others' if gone[5:] else ''}): they expired, or their files are lost."
        )
    return messages


def _rows_of(cursor: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    """The rows, or none when the file is damaged there: whoever reads it next repairs it."""
    try:
        return cursor.execute(sql).fetchall()
    except Exception as error:
        if not is_damage(error):
            raise
        return []
