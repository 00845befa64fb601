"""What a store says of itself."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from longpole.model.problem import Problem
from longpole.model.signals import Signal
from longpole.model.telemetry import RECORD_TABLE
from longpole.storage.duckdb.segment_info import KIND_OF_SIGNAL
from longpole.storage.duckdb.settings import StoreSettings
from longpole.storage.duckdb.state import EngineState
from longpole.storage.journal.free_space import disk_full
from longpole.storage.ports import StoreStatus


def store_status(
    settings: StoreSettings,
    state: EngineState,
    *,
    journal_bytes: int,
    repeated_requests: int,
    duplicate_spans_dropped: int,
    losses: Mapping[str, int],
    problems: tuple[Problem, ...],
) -> StoreStatus:
    """Counts from memory alone; nothing stored is read."""
    with state.lock:
        segments = state.segments
        generations = state.hot.generations()
        hot = {
            name: sum(generation.row_count(name) for generation in generations)
            for name in (*RECORD_TABLE.values(), "traces")
        }
        pending = len(state.queue)
        superseded = len(state.superseded)
        hidden = sum(state.superseded.values())
        is_replayed = state.is_replayed
        bounds = [(g.min_unix_nano, g.max_unix_nano) for g in generations]
    # Derived segments carry the times of roots, which stand in the spans anyway.
    bounds += [(s.min_unix_nano, s.max_unix_nano) for s in segments if s.kind != "derived"]
    lows = [low for low, _ in bounds if low is not None]
    highs = [high for _, high in bounds if high is not None]

    free_bytes = shutil.disk_usage(settings.data_dir).free
    if free_bytes < settings.min_free_bytes:
        message = disk_full(settings.data_dir, free_bytes, settings.min_free_bytes)
        problems = (Problem("disk_full", message), *problems)

    def rows_of(kind: str) -> int:
        return sum(segment.row_count for segment in segments if segment.kind == kind)

    return StoreStatus(
        engine="duckdb",
        is_replayed=is_replayed,
        record_counts={
            signal: rows_of(KIND_OF_SIGNAL[signal]) + hot[RECORD_TABLE[signal]] for signal in Signal
        },
        hot_rows=sum(hot[name] for name in RECORD_TABLE.values()),
        segment_count=len(segments),
        segment_bytes=sum(segment.byte_count for segment in segments),
        journal_bytes=journal_bytes,
        free_bytes=free_bytes,
        oldest_unix_nano=min(lows, default=None),
        newest_unix_nano=max(highs, default=None),
        settled_traces=max(0, rows_of("derived") + hot["traces"] - hidden),
        pending_traces=pending,
        superseded_revisions=superseded,
        repeated_requests=repeated_requests,
        duplicate_spans_dropped=duplicate_spans_dropped,
        losses=losses,
        problems=problems,
    )
