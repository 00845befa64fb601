"""The rules of a server: read from their files, evaluated by a few threads, their alerts sent.

The files are looked at again before each round: a change is taken over with the states that go on;
a mistake is logged, and the rules that were there stay.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from loguru import logger
from prometheus_client import CollectorRegistry

from longpole.analyzer.alerting.board import GroupState
from longpole.analyzer.alerting.group_evaluation import Stopped, Surround
from longpole.analyzer.alerting.notifications import (
    Notice,
    alertmanager_alerts,
    webhook_body,
)
from longpole.analyzer.alerting.relabelling import relabelled
from longpole.analyzer.alerting.restoring import RestoreSettings
from longpole.analyzer.alerting.rule_manager import ManagerSettings, RuleManager
from longpole.analyzer.alerting.tick_source import Sample
from longpole.analyzer.alerting.workers import Workers
from longpole.analyzer.promql.evaluation import Limits
from longpole.analyzer.promql.evaluation import Settings as QuerySettings
from longpole.analyzer.promql.series import labels_of
from longpole.cli.alert_sender import WEBHOOK_TRIES, Receiver
from longpole.cli.alert_witness import AlertWitness
from longpole.cli.alerting_file import Endpoint, read_alerting
from longpole.cli.recorded_points import recorded
from longpole.cli.rule_metrics import RuleMetrics
from longpole.cli.rule_paths import LoadedRules, load, matching
from longpole.cli.settings import SettingRefused, Settings
from longpole.cli.wiring import series_in
from longpole.model.clock import Clock
from longpole.storage.ports import Store

WRITE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 5.0
DRAIN_SECONDS = 5.0
# Groups that are evaluated at once: enough that a few slow ones keep nobody waiting, and few enough
# that rules leave something of the machine to everybody else.
GROUPS_AT_ONCE = 4
# One rule must not take the time of all others.
RULE_LIMITS = Limits(samples=20_000_000, cells=20_000_000, seconds=30.0)


def checked_rules(settings: Settings) -> LoadedRules | None:
    """The rules that a server starts with, None without `--rules`. Raises `SettingRefused` for a
    file with a mistake, also for that of `--alerting`, and for an interval that is none."""
    read_alerting(settings.alerting)
    if _ms(settings.rule_interval) < 1:
        raise SettingRefused("--rule-interval: rules cannot be evaluated every 0 s")
    if not settings.rules:
        logger.warning("nobody will be told of alerts: there are no rules (--rules FILES)")
        return None
    found = load(settings.rules, Path())
    if found.problems:
        shown = "\n".join(f"  {problem}" for problem in found.problems[:20])
        raise SettingRefused(f"--rules: {len(found.problems)} mistakes in rule files:\n{shown}")
    for pattern in found.missing:
        logger.warning("--rules {} names no file", pattern)
    return found


class RuleService:
    """Start once everything that is stored can be found; stop before the store closes."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        rules: LoadedRules,
        web_url: str,
        registry: CollectorRegistry,
    ) -> None:
        self._settings, self._store, self._clock, self._rules = settings, store, clock, rules
        self._url = (settings.external_url or web_url).rstrip("/")
        self._witness = AlertWitness(store, clock, self._url)
        alerting = read_alerting(settings.alerting)
        self._relabel = alerting.relabel
        managers = [Endpoint(f"{url}/api/v2/alerts") for url in settings.alertmanager]
        webhooks = [Endpoint(url) for url in settings.alert_webhook]
        self._receivers = [
            *(
                Receiver(one.url, self._for_alertmanager, tries=1, is_news_only=False,
                         headers=one.headers, timeout_seconds=one.timeout_seconds)
                for one in (*managers, *alerting.alertmanagers)
            ),
            *(
                Receiver(one.url, self._for_webhook, tries=WEBHOOK_TRIES, is_news_only=True,
                         headers=one.headers, timeout_seconds=one.timeout_seconds)
                for one in (*webhooks, *alerting.webhooks)
            ),
        ]  # fmt: skip
        self._workers = Workers(GROUPS_AT_ONCE, _log)
        self._stopped = threading.Event()
        self._manager = RuleManager(
            replace(surround(settings, store, clock, self._url), go_on=self._go_on),
            ManagerSettings(
                interval_ms=_ms(settings.rule_interval),
                resend_ms=_ms(settings.alert_resend_delay),
                restore=RestoreSettings(
                    _ms(settings.alert_outage_tolerance), _ms(settings.alert_for_grace)
                ),
            ),
            self._write,
            self._send,
            self._workers,
        )
        registry.register(RuleMetrics(self._manager, self._receivers))

    def groups(self) -> Sequence[GroupState]:
        """As `RuleBoard` promises."""
        return self._manager.groups()

    def run(self, stopping: threading.Event) -> None:
        """Have evaluated what is due until it is told to stop, and then until nothing is evaluated
        any more, which is soon: a rule under way is given up."""
        for receiver in self._receivers:
            receiver.start()
        self._manager.load(self._rules.groups, self._now_ms(), is_start=True)
        stamp = self._stamp()
        while not stopping.is_set():
            try:
                found = self._stamp()
                if found != stamp:
                    stamp = found
                    self._reload()
                self._manager.run_due(self._now_ms(), stopping.is_set)
            except Exception:
                logger.exception("a round of rules failed")
            now = self._now_ms()
            pause = (self._manager.next_ms(now) - now) / 1000
            stopping.wait(min(max(pause, 0.02), LONGEST_PAUSE_SECONDS))
        self._stopped.set()
        self._workers.shutdown(wait=True, cancel_futures=True)

    def stop(self) -> None:
        """Send what waits, for a few seconds at most."""
        for receiver in self._receivers:
            receiver.stop(DRAIN_SECONDS)

    def _go_on(self) -> None:
        if self._stopped.is_set():
            raise Stopped

    def _now_ms(self) -> int:
        return self._clock.now_unix_nano() // 1_000_000

    def _stamp(self) -> tuple[tuple[str, int, int], ...]:
        found = []
        for path in matching(self._settings.rules, Path())[0]:
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((str(path), status.st_mtime_ns, status.st_size))
        return tuple(found)

    def _reload(self) -> None:
        rules = load(self._settings.rules, Path())
        if rules.problems:
            for problem in rules.problems[:20]:
                logger.error("rule files were not taken over: {}", str(problem))
            return
        self._manager.load(rules.groups, self._now_ms(), is_start=False)
        logger.info("{} rule files were read again", len(rules.files))

    def _write(self, samples: Sequence[Sample]) -> None:
        done = self._store.submit(recorded(samples), self._clock.now_unix_nano())
        done.result(WRITE_SECONDS)

    def _send(self, notices: Sequence[Notice]) -> None:
        told = [
            replace(one, labels=labels)
            for one in notices
            if (labels := relabelled(one.labels, self._relabel))
        ]
        for receiver in self._receivers:
            receiver.put(told)

    def _for_alertmanager(self, notices: Sequence[Notice]) -> Any:
        return alertmanager_alerts([self._witness.annotated(one) for one in notices])

    def _for_webhook(self, notices: Sequence[Notice]) -> Any:
        evidence = [self._witness.evidence(one) for one in notices]
        return webhook_body(notices, evidence, self._url)


def surround(settings: Settings, store: Store, clock: Clock, external_url: str) -> Surround:
    """What rules are evaluated with."""
    elapsed: Callable[[], float] = time.monotonic
    return Surround(
        series_in(settings, store, clock),
        QuerySettings(limits=RULE_LIMITS),
        elapsed,
        labels_of(dict(settings.external_labels)),
        external_url,
        _ms(settings.rule_query_offset),
    )


def _log(error: Exception) -> None:
    logger.opt(exception=error).error("a group of rules failed")


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
