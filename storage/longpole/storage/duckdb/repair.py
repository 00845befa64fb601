"""Repair: a segment that turns out to be damaged is written again without what cannot be read.

    a question fails ─▶ which file? ─▶ salvage into a new one ─▶ manifest ─▶ swap ─▶ quarantine/

The damaged file is kept as it is, and the loss is counted for good and named. Derived rows are
not salvaged but worked out again from the spans, so they are never lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from loguru import logger

from longpole.model.ids import join_trace_id
from longpole.model.problem import Severity
from longpole.storage.data_dir import DataDir
from longpole.storage.duckdb.attachments import Attachments
from longpole.storage.duckdb.damage import damage_of, damaged_segments
from longpole.storage.duckdb.leases import LeaseBook
from longpole.storage.duckdb.manifest import Manifest, ManifestChange, SegmentEntry
from longpole.storage.duckdb.recovery import Findings, set_aside
from longpole.storage.duckdb.salvage import Salvaged, salvage
from longpole.storage.duckdb.sealer import commit, fsync_directory
from longpole.storage.duckdb.segment_info import RECORDS_OF_KIND
from longpole.storage.duckdb.segment_writer import SegmentWriter
from longpole.storage.duckdb.snapshot import Segment
from longpole.storage.duckdb.state import EngineState
from longpole.storage.duckdb.unfolding import settlements_of
from longpole.storage.receipt import StorageError

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")
LOST = "lost_damaged_"
_NO_SETTLEMENTS = (
    "SELECT 0::UBIGINT AS trace_hi, 0::UBIGINT AS trace_lo, 0::UBIGINT AS through_row_id "
    "WHERE false"
)
# Of so many files in a row a question may find out that they are damaged.
_MOST_REPAIRS = 1000


class SegmentDamaged(StorageError):
    """A file cannot be read, and may not be repaired by who asks."""


class Repair:
    """Repairs the segments of one store, one at a time; `chores` keeps others off the files."""

    def __init__(
        self,
        state: EngineState,
        manifest: Manifest,
        writer: SegmentWriter,
        attachments: Attachments,
        leases: LeaseBook,
        findings: Findings,
        directory: DataDir,
        chores: AbstractContextManager[Any],
        new_segment_id: Callable[[], int],
        tell: Callable[[], None],
        *,
        is_allowed: bool,
    ) -> None:
        """`tell` makes answers say what `findings` says by then. `is_allowed`: the directory is
        ours to change; if not, a question that meets damage is told what to do."""
        self._state = state
        self._manifest = manifest
        self._writer = writer
        self._attachments = attachments
        self._leases = leases
        self._findings = findings
        self._directory = directory
        self._is_allowed = is_allowed
        self._chores = chores
        self._new_segment_id = new_segment_id
        self._tell = tell

    def answer(self, question: Callable[[], T]) -> T:
        """The answer to a question, asked again after each repair that it makes necessary."""
        for _ in range(_MOST_REPAIRS):
            try:
                return question()
            except Exception as error:
                if not self.after(error):
                    raise
        return question()

    def after(self, error: BaseException) -> bool:
        """Repair what made a question fail; whether it is worth asking again. Raises
        `SegmentDamaged` when the directory is not ours to change, else nothing."""
        damaged = damaged_segments(error, self._state.segments)
        if not damaged:
            return False
        if not self._is_allowed:
            raise SegmentDamaged(
                f"{damaged[0].path.name} is damaged ({str(error).splitlines()[0]}). Run `longpole "
                f"doctor --repair --data-dir {self._directory.path}`: it sets the file aside and "
                "keeps all of it that can be read."
            ) from error
        return all(self.repair_if_possible(segment) for segment in damaged)

    def repair_if_possible(self, segment: Segment) -> bool:
        """Repair a segment; false when something stands in the way, and then the log says what."""
        try:
            self.repair(segment)
        except Exception as reason:
            logger.warning("{} cannot be repaired now: {}", segment.path.name, reason)
            return False
        return True

    def everything(self) -> None:
        """Read all segments and repair those that are damaged. Raises what stands in the way."""
        for segment in self._state.segments:
            with self._leases.lease(without_hot=True) as lease:
                is_damaged = lease.holds(segment) and damage_of(
                    lease.cursor(), segment.alias, segment.kind
                )
            if is_damaged:
                self.repair(segment)

    def repair(self, segment: Segment) -> None:
        """Replace one segment by what can be read of it. Raises what stands in the way (a full
        disk, say); then nothing has changed. A segment that left meanwhile needs no repair."""
        with self._chores:
            ids = {own.segment_id for own in self._state.segments}
            entry = {e.segment_id: e for e in self._manifest.segments()}.get(segment.segment_id)
            if segment.segment_id not in ids or entry is None:
                return
            if segment.kind == "derived":
                self._explain_anew(segment, entry)
            else:
                self._rewrite(segment, entry)

    def _rewrite(self, segment: Segment, entry: SegmentEntry) -> None:
        types = {**self._state.catalog.attribute_types()}
        file = self._writer.start(
            segment.kind, self._new_segment_id(), entry.row_count, segment.attribute_columns
        )
        try:
            with self._leases.lease() as lease:
                result = salvage(lease.cursor(), segment, lease.snapshot, entry, file, types)
            new = file.publish()
            fsync_directory(self._writer.directory)
            self._attachments.attach(new.alias, new.path)
            assert file.info is not None
            lost = max(0, entry.row_count - result.row_count)
            commit(
                self._manifest,
                ManifestChange(
                    added=(file.info.entry(new.byte_count),),
                    removed=(segment.segment_id,),
                    next_segment_id=file.segment_id + 1,
                    counts=_counts(result, RECORDS_OF_KIND[segment.kind][0], lost),
                ),
            )
        except BaseException:
            self._attachments.detach(f"seg_{file.segment_id}")
            file.abandon()
            raise
        kept = self._swap(segment, (new,))
        details = "; ".join(result.details) or "nothing"
        notes = f" ({'; '.join(result.notes)})" if result.notes else ""
        self._report(
            f"{segment.path.name} is damaged. Lost: {details}{notes}. It was moved to quarantine/"
            f"{kept.name}; its other {result.row_count} records are in {new.path.name}.",
            Severity.LOSS if result.lost else Severity.WARNING,
        )

    def _explain_anew(self, segment: Segment, entry: SegmentEntry) -> None:
        with self._leases.lease() as lease:
            left = [s for s in lease.snapshot.segments if s.segment_id != segment.segment_id]
            reopened = without_derived_rows(left, lease.cursor())
        self._manifest.commit(ManifestChange(removed=(segment.segment_id,), reopened=reopened))
        kept = self._swap(segment, ())
        self._state.reopen(reopened)
        self._report(
            f"{segment.path.name}, which explains {entry.row_count} traces, is damaged. It was "
            f"moved to quarantine/{kept.name}; they are explained again from their spans.",
            Severity.WARNING,
        )

    def _swap(self, segment: Segment, new: Iterable[Segment]) -> Path:
        left = self._state.swap(new, (segment.segment_id,))
        kept = self._directory.quarantine / segment.path.name
        # A file that stays is set aside at the next start: the manifest does not name it.
        with suppress(OSError):
            kept = set_aside(segment.path, self._directory.quarantine)
        self._leases.retire(left)
        return kept

    def _report(self, message: str, severity: Severity) -> None:
        logger.warning(message)
        self._findings.report("segment_damaged", message, severity)
        self._tell()


def _counts(result: Salvaged, main_table: str, lost_records: int) -> dict[str, int]:
    """What the manifest adds to its numbers of lost rows, by table."""
    lost = {**result.lost, main_table: lost_records}
    return {f"{LOST}{name}": count for name, count in lost.items() if count}


def without_derived_rows(
    segments: Iterable[Segment], cursor: duckdb.DuckDBPyConnection
) -> dict[int, tuple[int, int]]:
    """The traces that have sealed spans which no derived row in these segments accounts for:
    trace id to the first and last row id of its spans. Found out by DuckDB, since there may be
    many more traces than would fit into a dictionary."""
    listed = list(segments)
    spans = [s for s in listed if s.kind == "spans"]
    if not spans:
        return {}
    own = " UNION ALL ".join(
        f"SELECT trace_hi, trace_lo, row_id FROM {s.alias}.spans" for s in spans
    )
    explained = " UNION ALL ".join(
        [_NO_SETTLEMENTS]
        + [
            f"SELECT trace_hi, trace_lo, through_row_id FROM {settlements_of(s)}"
            for s in listed
            if s.kind == "derived"
        ]
    )
    rows = cursor.execute(
        "SELECT o.* FROM (SELECT trace_hi, trace_lo, min(row_id) AS low, max(row_id) AS high "
        f"FROM ({own}) GROUP BY ALL) o LEFT JOIN (SELECT trace_hi, trace_lo, "
        f"max(through_row_id) AS through FROM ({explained}) GROUP BY ALL) e "
        "USING (trace_hi, trace_lo) WHERE e.through IS NULL OR o.high > e.through"
    ).fetchall()
    return {join_trace_id(hi, lo): (low, high) for hi, lo, low, high in rows}
