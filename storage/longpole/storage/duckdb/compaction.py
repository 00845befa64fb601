"""Compaction: merges small segments of one kind into a bigger one, sorted as they are.

Size-tiered: a tier is a power of eight of rows, and eight neighbours of a tier become one of
the next, so a row is rewritten a handful of times in its life. The merge goes by ranges of
the sort key, a bounded number of rows at a time, whatever the size of the result, and what is due
to be sealed is sealed in between: a big merge takes as long as memory takes to fill.

A revision goes only when the manifest says that it is superseded. What a hot revision supersedes
has to stay: the hot one dies with a crash, and nothing makes it anew where all that it accounts
for was copies, which the seal has dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pyarrow as pa

from longpole.storage.duckdb.attachments import Attachments
from longpole.storage.duckdb.catalog import widest
from longpole.storage.duckdb.duplicates import without_duplicates
from longpole.storage.duckdb.leases import LeaseBook
from longpole.storage.duckdb.manifest import Manifest, ManifestChange, SegmentEntry
from longpole.storage.duckdb.merge import SegmentMerge
from longpole.storage.duckdb.sealer import commit, fsync_directory
from longpole.storage.duckdb.segment_info import SegmentInfo, read_info
from longpole.storage.duckdb.segment_writer import SegmentFile, SegmentWriter
from longpole.storage.duckdb.settings import StoreSettings
from longpole.storage.duckdb.state import EngineState
from longpole.storage.duckdb.superseded import unneeded

_LOWEST_TIER = 3  # everything under 8**4 rows counts as small alike


class Compactor:
    """Merges for one store; the owner sees to it that one chore runs at a time.

    `at` is called with the name of each step done; tests let it fail there.
    """

    def __init__(
        self,
        settings: StoreSettings,
        state: EngineState,
        manifest: Manifest,
        writer: SegmentWriter,
        attachments: Attachments,
        leases: LeaseBook,
        new_segment_id: Callable[[], int],
        at: Callable[[str], None],
        between: Callable[[], None] = lambda: None,
    ) -> None:
        """`between` is called after each piece of a merge: what cannot wait until its end."""
        self._settings = settings
        self._state = state
        self._manifest = manifest
        self._writer = writer
        self._attachments = attachments
        self._leases = leases
        self._new_segment_id = new_segment_id
        self._at = at
        self._between = between

    def compact_one(self) -> int:
        """Do the most useful merge; how many files it replaced (0: nothing to do)."""
        # A file that could not be opened at the start is named, but nobody can read it now.
        open_ids = {segment.segment_id for segment in self._state.segments}
        group = merge_group(
            [entry for entry in self._manifest.segments() if entry.segment_id in open_ids],
            self._settings.compact_files,
            self._settings.compact_max_rows,
        )
        if group:
            self._merge(group)
        return len(group)

    def rewrite(self, segment_id: int) -> None:
        """Write one segment again without the rows that are hidden."""
        group = tuple(e for e in self._manifest.segments() if e.segment_id == segment_id)
        if group:
            self._merge(group)

    def _merge(self, group: tuple[SegmentEntry, ...]) -> None:
        gone = [entry.segment_id for entry in group]
        with self._leases.lease(without_hot=True) as lease:
            old = [s for s in lease.snapshot.segments if s.segment_id in gone]
            cursor = lease.cursor()
            infos = [read_info(cursor, segment.alias) for segment in old]
            merge = SegmentMerge(old, cursor, self._manifest.superseded())
            segment_id = self._new_segment_id()
            file = self._writer.start(
                group[0].kind, segment_id, merge.row_count, merge.attribute_columns
            )
            self._at("merge started")
            try:
                dropped = self._write(merge, file)
                file.finish(_merged_info(segment_id, infos, merge))
                self._at("merge written")
                segment = file.publish()
                self._at("merge renamed")
                fsync_directory(self._writer.directory)
                self._attachments.attach(segment.alias, segment.path)
                assert file.info is not None
                forgotten = unneeded(merge.superseded, self._leases, gone)
                commit(
                    self._manifest,
                    ManifestChange(
                        added=(file.info.entry(segment.byte_count),),
                        removed=tuple(gone),
                        next_segment_id=segment_id + 1,
                        duplicate_spans=dropped,
                        unsuperseded=forgotten,
                    ),
                )
            except BaseException:
                self._attachments.detach(f"seg_{segment_id}")
                file.abandon()
                raise
            self._at("merge committed")
            left = self._state.swap((segment,), gone, forgotten)
        self._leases.retire(left)
        self._at("merge retired")

    def _write(self, merge: SegmentMerge, file: SegmentFile) -> int:
        dropped = 0
        for tables in merge.chunks(file.folder):
            dropped += self._append(tables, merge, file)
            del tables  # a seal may come in between
            self._between()
        return dropped

    def _append(self, tables: dict[str, pa.Table], merge: SegmentMerge, file: SegmentFile) -> int:
        repeats = 0
        if "spans" in tables:
            with self._writer.cursor() as cursor:
                tables, repeats = without_duplicates(tables, cursor)
        for name, table in tables.items():
            table = file.prepared(name, table)
            merge.note(name, table)
            file.append(name, table)
        return repeats


def merge_group(
    entries: Iterable[SegmentEntry], file_count: int, max_rows: int
) -> tuple[SegmentEntry, ...]:
    """The oldest `file_count` files of one kind and tier that fit together, smallest tier
    first; empty when no tier has so many."""
    tiers: dict[tuple[int, str], list[SegmentEntry]] = {}
    for entry in sorted(entries, key=lambda e: (e.stored_unix_nano, e.segment_id)):
        tiers.setdefault((_tier(entry.row_count), entry.kind), []).append(entry)
    for _, peers in sorted(tiers.items(), key=lambda item: item[0]):
        group = peers[:file_count]
        if len(group) >= file_count and sum(e.row_count for e in group) <= max_rows:
            return tuple(group)
    return ()


def _tier(row_count: int) -> int:
    return max(_LOWEST_TIER, (row_count.bit_length() - 1) // 3)


def _merged_info(segment_id: int, infos: list[SegmentInfo], merge: SegmentMerge) -> SegmentInfo:
    types: dict[tuple[str, str], str] = {}
    for info in infos:
        for pair, sql_type in info.attribute_types.items():
            types[pair] = widest(types[pair], sql_type) if pair in types else sql_type
    return SegmentInfo(
        segment_id=segment_id,
        kind=infos[0].kind,
        row_count=merge.written_rows,
        first_sequence=min(info.first_sequence for info in infos),
        last_sequence=max(info.last_sequence for info in infos),
        min_unix_nano=min(info.min_unix_nano for info in infos),
        max_unix_nano=max(info.max_unix_nano for info in infos),
        stored_unix_nano=max(info.stored_unix_nano for info in infos),
        settled_through=max(info.settled_through for info in infos),
        siblings=(segment_id,),
        # What the parts replaced is listed on: a crash may have left those files, too.
        replaced=tuple(sorted({i for info in infos for i in (info.segment_id, *info.replaced)})),
        attribute_types=types,
        bloom=merge.trace_ids.bloom(),
    )
