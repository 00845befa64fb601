"""Seals: turns everything hot into segments, in one step for readers and for a crash.

    freeze ─▶ write *.tmp ─▶ rename ─▶ fsync dir ─▶ manifest ─▶ swap snapshot ─▶ release journal

Until the manifest transaction the journal still has it all; after it nothing else counts.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longpole.model.clock import Clock
from longpole.storage.duckdb.attachments import Attachments
from longpole.storage.duckdb.catalog import SCOPE_OF_TABLE
from longpole.storage.duckdb.duplicates import without_duplicates
from longpole.storage.duckdb.hot import ID_COLUMN, SCHEMAS, Generation
from longpole.storage.duckdb.manifest import Manifest, ManifestChange
from longpole.storage.duckdb.ranges import pieces_of, sealed_piece_rows
from longpole.storage.duckdb.segment_info import RECORDS_OF_KIND, TABLES_OF_KIND, SegmentInfo
from longpole.storage.duckdb.segment_writer import (
    SegmentFile,
    SegmentWriter,
    TraceIds,
    attribute_types,
    time_bounds,
)
from longpole.storage.duckdb.snapshot import AttributeColumn, Segment
from longpole.storage.duckdb.state import EngineState, Frozen
from longpole.storage.duckdb.typed_columns import (
    TABLES_WITH_TYPED_COLUMNS,
    common_columns,
    key_counts,
)

Tables = dict[str, pa.Table]


class Sealer:
    """Writes seals for one store; the owner sees to it that one chore runs at a time.

    `at` is called with the name of each step done; tests let it fail there.
    """

    def __init__(
        self,
        state: EngineState,
        manifest: Manifest,
        writer: SegmentWriter,
        attachments: Attachments,
        clock: Clock,
        new_segment_id: Callable[[], int],
        at: Callable[[str], None],
    ) -> None:
        self._state = state
        self._manifest = manifest
        self._writer = writer
        self._attachments = attachments
        self._clock = clock
        self._new_segment_id = new_segment_id
        self._at = at

    def seal(
        self,
        request_hashes: Callable[[], list[tuple[bytes, int, int]]],
        release: Callable[[int], None],
    ) -> int:
        """Seal what is hot; the number of files written. On failure nothing has changed."""
        frozen = self._state.freeze()
        if frozen is None:
            return 0
        self._at("frozen")
        files: list[SegmentFile] = []
        try:
            segments, change = self._write(frozen, files, request_hashes())
            commit(self._manifest, change)
        except BaseException:
            for file in files:
                self._attachments.detach(f"seg_{file.segment_id}")
                file.abandon()
            raise
        self._at("committed")
        self._state.sealed(frozen, segments)
        self._at("swapped")
        if frozen.through_sequence is not None:
            release(frozen.through_sequence)
        self._at("released")
        return len(segments)

    def _write(
        self, frozen: Frozen, files: list[SegmentFile], hashes: list[tuple[bytes, int, int]]
    ) -> tuple[list[Segment], ManifestChange]:
        stored = self._clock.now_unix_nano()
        parts = tables_by_kind(frozen.generation)
        ids = {kind: self._new_segment_id() for kind in parts}
        duplicates = 0
        for kind, tables in parts.items():
            counts = {name: key_counts(tables[name]) for name in SCOPE_OF_TABLE if name in tables}
            own = chosen_columns(tables, counts)
            file = self._writer.start(
                kind, ids[kind], tables[RECORDS_OF_KIND[kind][0]].num_rows, own
            )
            files.append(file)
            ids_written = TraceIds(kind)
            row_count = 0
            for piece in pieces_of(kind, tables, sealed_piece_rows(kind)):
                if kind == "spans":
                    with self._writer.cursor() as cursor:
                        piece, dropped = without_duplicates(piece, cursor)
                    duplicates += dropped
                row_count += piece[RECORDS_OF_KIND[kind][0]].num_rows
                sorted_tables = {name: file.prepared(name, table) for name, table in piece.items()}
                for name, table in file.folded(sorted_tables).items():
                    ids_written.note(name, table)
                    file.append(name, table)
            first = frozen.generation.first_sequence or self._state.sealed_through
            low, high = time_bounds(kind, tables)
            file.finish(
                SegmentInfo(
                    segment_id=ids[kind],
                    kind=kind,
                    row_count=row_count,
                    first_sequence=first,
                    last_sequence=frozen.through_sequence or self._state.sealed_through,
                    min_unix_nano=low,
                    max_unix_nano=high,
                    stored_unix_nano=stored,
                    settled_through=frozen.settled_through,
                    siblings=tuple(ids.values()),
                    replaced=(),
                    attribute_types=attribute_types(tables, counts),
                    bloom=ids_written.bloom(),
                )
            )
            self._at("written")
        segments = []
        entries = []
        for file in files:
            segments.append(file.publish())
            assert file.info is not None
            entries.append(file.info.entry(segments[-1].byte_count))
            self._at("renamed")
        fsync_directory(self._writer.directory)
        # Attached before the manifest names them: whatever can fail comes before the commit.
        for segment in segments:
            self._attachments.attach(segment.alias, segment.path)
        self._at("attached")
        change = ManifestChange(
            added=tuple(entries),
            sealed_through=frozen.through_sequence,
            settled_through=frozen.settled_through,
            next_segment_id=max(ids.values(), default=0) + 1,
            duplicate_spans=duplicates,
            superseded=frozen.superseded,
            explained=frozen.explained,
            request_hashes=hashes,
            attribute_keys=frozen.attribute_keys,
            services=frozen.services,
        )
        return segments, change


def commit(manifest: Manifest, change: ManifestChange) -> None:
    """Commit; an error that SQLite reports after the change reached the disk is none."""
    try:
        manifest.commit(change)
    except BaseException:
        named = {entry.segment_id for entry in manifest.segments()}
        if not change.added or not named.issuperset(e.segment_id for e in change.added):
            raise


def tables_by_kind(generation: Generation) -> dict[str, Tables]:
    """The rows of each kind that has any, `resources` and the like reduced to those in use."""
    whole = {
        name: pa.concat_tables(chunks) if chunks else SCHEMAS[name].empty_table()
        for name in SCHEMAS
        for chunks in (generation.chunks.get(name, ()),)
    }
    parts: dict[str, Tables] = {}
    for kind, names in TABLES_OF_KIND.items():
        own = {name: whole[name] for name in names}
        own_rows = [name for name in names if name not in ID_COLUMN and own[name].num_rows]
        if own_rows:
            parts[kind] = _with_ids_in_use(own)
    return parts


def _with_ids_in_use(tables: Tables) -> Tables:
    """Definitions once each, and only those that a row (or a series in use) names."""
    for name in ("metric_series", "resources", "scopes"):
        if name not in tables:
            continue
        id_column = ID_COLUMN[name]
        used = [
            table.column(id_column)
            for other, table in tables.items()
            if other != name and id_column in table.column_names
        ]
        wanted = pc.unique(pa.chunked_array([c for column in used for c in column.chunks],
                                            pa.uint64()))  # fmt: skip
        ids = tables[name].column(id_column).to_numpy()
        _, first = np.unique(ids, return_index=True)
        once = tables[name].take(pa.array(np.sort(first)))
        tables[name] = once.filter(pc.is_in(once.column(id_column), value_set=wanted))
    return tables


def chosen_columns(
    tables: Mapping[str, pa.Table], counts: Mapping[str, Counter[tuple[str, str]]]
) -> tuple[AttributeColumn, ...]:
    """The typed columns that these tables deserve."""
    return tuple(
        column
        for name in TABLES_WITH_TYPED_COLUMNS
        if name in tables
        for column in common_columns(name, counts[name], tables[name].num_rows)
    )


def fsync_directory(path: Path) -> None:
    """Make renames in it durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
