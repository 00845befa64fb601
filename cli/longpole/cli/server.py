"""A running server: what is started, in which order, and how it is taken down.

    bind web port ─▶ open store ─▶ collector binds and accepts ─▶ "ready" ─▶ behind it:
    replay, settling, upkeep, importing the pages; later compiling

Everything before "ready" stays light: data has to be accepted in under a second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from loguru import logger

from longpole.cli import wiring
from longpole.cli.lasting_objects import keep_what_is_loaded
from longpole.cli.settings import Settings, shown_settings
from longpole.cli.web_server import WebServer
from longpole.collector.binding import check_bind, join_address, listen, split_address
from longpole.collector.memory_release import HeapTrimming
from longpole.collector.server import Collector
from longpole.collector.settings import CollectorSettings
from longpole.dashboards.front_door import FrontDoor
from longpole.dashboards.security import WebGuard
from longpole.model.clock import Clock
from longpole.model.problem import Severity

if TYPE_CHECKING:
    from longpole.analyzer.clocks.clock_history import ClockHistory
    from longpole.analyzer.settle_process import SettleProcess
    from longpole.cli.rule_paths import LoadedRules
    from longpole.cli.rule_service import RuleService

SETTLE_EVERY_SECONDS = 0.25
TICK_EVERY_SECONDS = 1.0
TRIM_EVERY_SECONDS = 2.0
DRAIN_SECONDS = 10.0
JOIN_SECONDS = 30.0
SETTLE_REST = 0.5  # of the time that a round of settling took
# A start has enough to do, and a server that is asked little needs no compiled code.
COMPILE_AFTER_SECONDS = 10.0
LONGEST_COMPILING_SECONDS = 600.0
MOST_PATIENCE_SECONDS = 30.0
# Threads that write to the store.
BEFORE_CLOSING = ("settle", "upkeep", "rules", "own series")
WARM_UP_PAUSE_SECONDS = 0.01


class Server:
    """Start once, stop once. `addresses` has the bound grpc, http and web addresses."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._stopping = threading.Event()
        self._is_draining = False
        self._clock_history: ClockHistory | None = None
        self._settle_process: SettleProcess | None = None
        self._rules: LoadedRules | None = None
        self._rule_service: RuleService | None = None
        self._threads: list[threading.Thread] = []
        self.addresses: dict[str, str] = {}

    def start(self) -> None:
        """Returns once data is accepted. Raises for anything that stands in the way; then
        nothing is left running."""
        from prometheus_client import CollectorRegistry

        settings = self._settings
        token = settings.auth_token()
        for warning in settings.warnings():
            logger.warning(warning)
        for address in (settings.otlp_grpc, settings.otlp_http, settings.web):
            check_bind(address, token is not None, settings.insecure_allow_remote)
        self._registry = CollectorRegistry()
        if settings.rules or settings.alertmanager or settings.alert_webhook or settings.alerting:
            from longpole.cli.rule_service import checked_rules

            self._rules = checked_rules(settings)
        listener = listen(settings.web, "--web")
        try:
            self._store = wiring.open_store(settings, self._clock, {})
            try:
                self._collector = Collector(
                    CollectorSettings(
                        grpc_address=settings.otlp_grpc,
                        http_address=settings.otlp_http,
                        max_request_bytes=settings.max_request_bytes,
                        max_in_flight_bytes=settings.max_in_flight_bytes,
                        token=token,
                    ),
                    self._store,
                    self._clock,
                    self._registry,
                    wiring.decoder(),
                )
                self._collector.start()
            except BaseException:
                self._store.close()
                raise
        except BaseException:
            listener.close()
            raise
        self.addresses = {
            **self._collector.addresses,
            "web": join_address(*listener.getsockname()[:2]),
        }
        self._store.publish(self.addresses)
        self._front_door = FrontDoor(lambda: not self._is_draining, self._is_replayed)
        guard = WebGuard(
            self._front_door,
            split_address(settings.web)[0],
            settings.web_host,
            token,
        )
        self._web = WebServer(guard, listener)
        self._web.start()

    def start_behind(self) -> None:
        """What may take its time: replay, then settling and upkeep; the pages beside them."""
        if self._rules is not None:
            from longpole.cli.rule_service import RuleService

            self._rule_service = RuleService(
                self._settings, self._store, self._clock, self._rules,
                f"http://{self.addresses['web']}", self._registry,
            )  # fmt: skip
        from longpole.analyzer.red.span_counters import SpanCounters
        from longpole.cli.settle_metrics import SettleCounts

        self._span_counters = SpanCounters()
        self._settle_counts = SettleCounts(self._registry)
        for name, work in (
            ("load", self._load_then_chores),
            ("pages", self._open_pages),
        ):
            self._run(name, work)

    def stop(self) -> None:
        """Refuse new data, finish what is under way, seal, give everything back."""
        self._is_draining = True
        self._collector.stop(DRAIN_SECONDS)
        self._stopping.set()
        self._stop_compiling()
        # Not the replay: it may take long, and `close` ends it.
        for thread in [t for t in self._threads if t.name in BEFORE_CLOSING]:
            thread.join(JOIN_SECONDS)
        if self._settle_process is not None:
            self._settle_process.stop()
        if self._rule_service is not None:
            self._rule_service.stop()
        self._web.stop()
        self._store.close()

    def _is_replayed(self) -> bool:
        return self._store.status().is_replayed

    def _run(self, name: str, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Exception:
                logger.exception("the {} thread ended", name)

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _open_pages(self) -> None:
        try:
            from longpole.analyzer.alerting.board import FixedBoard
            from longpole.cli.own_metrics import ingest_text, metrics_text, open_metrics_text
            from longpole.cli.wiring import mount_grafana
            from longpole.dashboards.app import WebSettings, create_app
            from longpole.dashboards.asked_store import Limit
            from longpole.dashboards.warm_up import warm_up

            limits = tuple(Limit(*row) for row in shown_settings(self._settings))
            board = self._rule_service or FixedBoard()
            web = WebSettings(
                version(), self.addresses, self._settings.thresholds, limits,
                lambda: self._is_draining, board, ingest_text(self._registry),
            )  # fmt: skip
            metrics = metrics_text(self._registry, self._store, self._span_counters, self._clock)
            app = create_app(
                self._store, self._clock, web, metrics, open_metrics_text(self._registry)
            )
            mount_grafana(app, self._settings, self._store, self._clock, version(), board)
            self._front_door.open(app)
        except Exception:
            self._front_door.fail("the pages cannot be shown; the server's log says why")
            raise
        warm_up(lambda: self._stopping.wait(WARM_UP_PAUSE_SECONDS))
        keep_what_is_loaded()

    def _load_then_chores(self) -> None:
        self._store.load()
        for problem in self._store.status().problems:
            if problem.severity is not Severity.INFO:
                logger.warning(problem.message)
        logger.info("everything that is stored can be found")
        self._run("settle", lambda: self._repeat(self._settle, SETTLE_EVERY_SECONDS))
        self._run("upkeep", lambda: self._repeat(self._store.tick, TICK_EVERY_SECONDS))
        trimming = HeapTrimming()
        self._run("memory", lambda: self._repeat(trimming.trim_if_busy, TRIM_EVERY_SECONDS))
        self._run("compile", self._compile)
        service = self._rule_service
        if service is not None:
            self._run("rules", lambda: service.run(self._stopping))
        interval = self._settings.own_series_interval
        if interval:
            self._run("own series", lambda: self._repeat(self._write_own_series, interval))

    def _compile(self) -> None:
        from longpole.analyzer.columnar.readiness import CORE
        from longpole.formats.compiled.readiness import DECODING

        if not self._stopping.wait(COMPILE_AFTER_SECONDS):
            DECODING.start()
            CORE.start()
            for code in (DECODING, CORE):
                code.wait(LONGEST_COMPILING_SECONDS)
            keep_what_is_loaded()

    def _stop_compiling(self) -> None:
        from longpole.analyzer.columnar.readiness import CORE
        from longpole.formats.compiled.readiness import DECODING

        DECODING.stop()
        CORE.stop()

    def _settle(self) -> None:
        from longpole.analyzer.clocks.clock_history import ClockHistory
        from longpole.analyzer.critical_path import PathOptions
        from longpole.analyzer.red.span_counters import CountingFeed
        from longpole.analyzer.settle import settle_once

        feed = CountingFeed(self._store, self._store, self._span_counters)
        self._clock_history = self._clock_history or ClockHistory()
        process = self._process_for_settling()
        while not self._stopping.is_set():
            done = settle_once(
                feed, self._clock, PathOptions(), thresholds=self._settings.thresholds,
                history=self._clock_history, shelf=self._store, elsewhere=process,
            )  # fmt: skip
            self._settle_counts.add(done)
            if done.traces == 0:
                if process is not None:
                    process.rest()
                return
            # It works in plain Python: without a rest, receiving and asking get what it leaves.
            if not done.is_elsewhere:
                self._stopping.wait(done.elapsed_ns * 1e-9 * SETTLE_REST)

    def _process_for_settling(self) -> SettleProcess | None:
        if self._settings.settle_in_server:
            return None
        if self._settle_process is None:
            from longpole.analyzer.settle_process import SettleProcess

            self._settle_process = SettleProcess(self._clock)
        return self._settle_process

    def _write_own_series(self) -> None:
        from longpole.cli.own_series import write_own_series

        write_own_series(self._registry, self._store, self._clock, self.addresses["web"])

    def _repeat(self, work: Callable[[], None], every_seconds: float) -> None:
        pause = every_seconds
        while not self._stopping.is_set():
            try:
                work()
                pause = every_seconds
            except Exception:
                # The next round may succeed (a full disk, say); the data stays pending.
                logger.exception("a round of {} failed", threading.current_thread().name)
                pause = min(MOST_PATIENCE_SECONDS, 2 * pause + every_seconds)
            self._stopping.wait(pause)


def version() -> str:
    """The version of the installed package."""
    from importlib.metadata import version as installed

    return installed("longpole")


def ready_line(server: Server) -> str:
    """What scripts wait for."""
    addresses = server.addresses
    return f"ready grpc={addresses['grpc']} http={addresses['http']} web={addresses['web']}"
