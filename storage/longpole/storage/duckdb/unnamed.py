"""Unnamed segments: finished files that the manifest does not name, and whether it is right.

A crash between a rename and its manifest transaction leaves such a file, and so does a file
that expired or was merged but could not be unlinked. Then its rows are elsewhere, or gone on
purpose. When neither is so, the manifest is an older one than was committed (its write-ahead
log was lost or damaged), and the file holds the only copy of its rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from longpole.storage.data_dir import DataDir
from longpole.storage.duckdb.attachments import Attachments
from longpole.storage.duckdb.manifest import Manifest
from longpole.storage.duckdb.segment_info import SegmentInfo, read_info
from longpole.storage.journal import JournalFrames, journal_frames


def reasons_to_set_aside(
    paths: DataDir, manifest: Manifest, unnamed: Iterable[Path]
) -> dict[Path, str | None]:
    """Why nothing is lost without each of these files; None for one that the manifest
    should name."""
    found = list(unnamed)
    if not found:
        return {}
    named = {
        e.segment_id: paths.segments / e.file_name
        for e in manifest.segments()
        if (paths.segments / e.file_name).is_file()
    }
    attachments = Attachments(paths.tmp, 1 << 30, 2)
    try:
        infos = {path: _info(attachments, path) for path in found}
        named_infos = [_info(attachments, path) for path in named.values()]
    finally:
        attachments.close()
    merged_into = {i: info.segment_id for info in named_infos if info for i in info.replaced}
    next_id = manifest.number("next_segment_id")
    frames = journal_frames(paths.journal, manifest.sealed_through)
    return {
        path: _reason(info, set(named), merged_into, next_id, frames)
        for path, info in infos.items()
    }


def _reason(
    info: SegmentInfo | None,
    named: Collection[int],
    merged_into: Mapping[int, int],
    next_id: int,
    frames: JournalFrames,
) -> str | None:
    if info is None:
        return "it says nothing readable of itself, so nobody can tell what it held"
    if info.segment_id in merged_into:
        return f"its rows were merged into segment {merged_into[info.segment_id]}"
    if frames.hold(info.first_sequence, info.last_sequence):
        return "the journal holds its rows"
    if info.segment_id < next_id:
        return "the manifest had dropped it, since it expired or its rows were written again"
    if info.replaced:
        # The list goes on to what the merged segments had replaced in their turn.
        is_doubled = all(i in named or i in merged_into for i in info.replaced)
        return "the segments that it merges are all still there" if is_doubled else None
    if info.kind == "derived":
        return "its derived rows are computed again from the spans"
    return None


def _info(attachments: Attachments, path: Path) -> SegmentInfo | None:
    alias = f"unnamed_{path.stem.rpartition('-')[2]}"
    try:
        attachments.attach(alias, path)
        return read_info(attachments.cursor(), alias)
    except Exception:
        return None
    finally:
        attachments.detach(alias)
