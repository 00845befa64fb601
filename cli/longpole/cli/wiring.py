"""Puts the house together: the only place that picks a store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from longpole.cli.settings import Settings
from longpole.model.clock import Clock
from longpole.model.problem import Problem

if TYPE_CHECKING:
    from fastapi import FastAPI

    from longpole.analyzer.alerting.board import RuleBoard
    from longpole.analyzer.promql.catalog import SeriesCatalog
    from longpole.formats.otlp import Decoder
    from longpole.storage.checkup import Checkup
    from longpole.storage.duckdb.store import DuckDBStore, StoreSettings
    from longpole.storage.ports import Store, TraceReader


def store_settings(settings: Settings) -> StoreSettings:
    """What the embedded engine is told."""
    from longpole.storage.duckdb.store import StoreSettings

    return StoreSettings(
        data_dir=settings.data_dir,
        settle_after_seconds=settings.settle_after,
        settle_at_most_seconds=settings.settle_at_most,
        dedup_window_seconds=settings.dedup_window,
        retain_days=settings.retain_days,
        retain_bytes=settings.retain_bytes,
        min_free_bytes=settings.min_free_bytes,
        seal_rows=settings.seal_rows,
        seal_bytes=settings.seal_bytes,
        seal_after_seconds=settings.seal_after,
        compact_files=settings.compact_files,
        memory_limit_bytes=settings.memory_limit,
    )


def decoder() -> Decoder:
    """How requests are read, when they come and when the journal is replayed."""
    from longpole.formats.compiled.decoder import FastDecoder

    return FastDecoder()


def open_store(settings: Settings, clock: Clock, addresses: Mapping[str, str]) -> DuckDBStore:
    """The store, locked for this process; it takes requests at once and finds old ones after
    `load()`. Raises `DataDirLocked` when another process has it."""
    from longpole.storage.duckdb.store import DuckDBStore

    return DuckDBStore.open(store_settings(settings), clock, decoder(), addresses)


def open_read_only(settings: Settings, clock: Clock) -> DuckDBStore:
    """What lies in the data directory, without a lock and without writing anything."""
    from longpole.storage.duckdb.store import DuckDBStore

    return DuckDBStore.open_read_only(store_settings(settings), clock)


def repair_store(settings: Settings, clock: Clock) -> tuple[Problem, ...]:
    """Own the data directory for a moment and repair all that is damaged; what was found.
    Raises `DataDirLocked` when a server has it."""
    store = open_store(settings, clock, {})
    try:
        store.load()
        store.repair()
        return store.status().problems
    finally:
        store.close()


def check_data(settings: Settings, done: Callable[[str], None]) -> Checkup:
    """Read everything in the data directory and change nothing; `done` is told each part."""
    from longpole.storage.data_dir import DataDir
    from longpole.storage.duckdb.checkup import check_directory

    return check_directory(DataDir(settings.data_dir), settings.memory_limit, done)


def series_in(settings: Settings, store: TraceReader, clock: Clock) -> SeriesCatalog:
    """The series that PromQL can ask of a store."""
    from longpole.analyzer.promql_sources.store_catalog import SourceSettings, stored_series

    chosen = SourceSettings(settings.promote_resource_attributes, settings.span_series)
    return stored_series(store, clock, chosen)


def mount_grafana(
    app: FastAPI, settings: Settings, store: Store, clock: Clock, version: str, board: RuleBoard
) -> None:
    """Puts the dialects that Grafana's data sources speak under their prefixes."""
    from starlette.routing import Mount

    from longpole.grafana.jaeger.app import jaeger_app
    from longpole.grafana.loki.app import create_loki_app
    from longpole.grafana.prometheus.app import prometheus_app
    from longpole.grafana.prometheus.asking import Asking
    from longpole.grafana.tempo.app import TempoSettings, create_tempo_app
    from longpole.grafana.zipkin.app import zipkin_app

    series = series_in(settings, store, clock)

    def oldest_ms() -> int:
        oldest = store.status().oldest_unix_nano
        return (clock.now_unix_nano() if oldest is None else oldest) // 10**6

    asking = Asking(series, clock, board, version=version, oldest_ms=oldest_ms)
    dialects = {
        "/prometheus": prometheus_app(asking),
        "/jaeger": jaeger_app(store, series, clock),
        "/zipkin": zipkin_app(store, clock),
        "/tempo": create_tempo_app(store, clock, TempoSettings(version)),
        "/loki": create_loki_app(store, clock, version),
    }
    # In front of the pages, each of which would be compared with the address first.
    app.router.routes[:0] = [Mount(prefix, dialect) for prefix, dialect in dialects.items()]
