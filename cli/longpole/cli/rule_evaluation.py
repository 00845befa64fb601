"""One evaluation of rule files over what is stored, for people who write rules."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from longpole.analyzer.alerting.board import RuleKind
from longpole.analyzer.alerting.group_evaluation import (
    GroupRun,
    RuleRun,
    Surround,
    evaluate_group,
)
from longpole.analyzer.alerting.rule_testing import labels_text, value_text
from longpole.analyzer.promql.evaluation import Settings as QuerySettings
from longpole.analyzer.promql.expressions import Matcher
from longpole.analyzer.promql.numbers import written
from longpole.analyzer.promql.refusals import EvaluationError
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql.series import Series, SeriesSource
from longpole.cli.exit_codes import NoAnswer, NotFound, Refused
from longpole.cli.remote_samples import remote_series
from longpole.cli.rule_paths import load
from longpole.cli.settings import Settings
from longpole.cli.source import holds_data, web_address
from longpole.cli.wiring import open_read_only, series_in
from longpole.model.clock import SystemClock

MOST_SHOWN = 20


class RemoteSeries:
    """Series of a server, asked for over its Prometheus API. Stale markers do not come over."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def select(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, most_samples: int
    ) -> Sequence[Series]:
        """As `SeriesSource` promises."""
        conditions = ", ".join(
            f"{json.dumps(one.label)}{one.op}{json.dumps(one.value)}" for one in matchers
        )
        query = f"{{{conditions}}}[{through_ms - after_ms}ms]"
        try:
            answer = self._client.post(
                "/prometheus/api/v1/query", data={"query": query, "time": str(through_ms / 1000)}
            )
            document = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise NoAnswer(f"the server does not answer: {error}") from None
        if answer.status_code == 404:
            raise NoAnswer("that server has no PromQL API under /prometheus; is it older?")
        if document.get("status") != "success":
            raise EvaluationError(str(document.get("error", "the server failed")))
        try:
            found = [remote_series(one) for one in document["data"]["result"]]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise NoAnswer(f"the server's answer makes no sense: {error!r}"[:300]) from None
        return [one for one in found if one.times_ms.size]


@contextmanager
def series_of(settings: Settings) -> Iterator[SeriesSource]:
    """The series of the server that these settings choose, else of the data directory."""
    url = web_address(settings)
    if url is not None:
        token = settings.auth_token()
        headers = {"Authorization": f"Bearer {token.reveal()}"} if token else {}
        with httpx.Client(base_url=url, headers=headers, timeout=120.0, trust_env=False) as client:
            yield RemoteSeries(client)
        return
    if not holds_data(settings.data_dir):
        raise NotFound(f"there is no data in {settings.data_dir} and no server was named")
    store = open_read_only(settings, SystemClock())
    try:
        yield series_in(settings, store, SystemClock())
    finally:
        store.close()


def evaluated_once(settings: Settings, files: Sequence[str], at: str | None) -> list[GroupRun]:
    """Every group of the files after one evaluation, nothing of it written."""
    rules = load(files, Path())
    if rules.missing:
        raise Refused(f"{rules.missing[0]} names no file")
    if rules.problems:
        raise Refused("\n".join(str(one) for one in rules.problems))
    at_ms = SystemClock().now_unix_nano() // 1_000_000 if at is None else _moment_ms(at)
    runs = [GroupRun.of(group, 60_000) for group in rules.groups]
    with series_of(settings) as source:
        around = Surround(source, QuerySettings(), time.monotonic)
        for run in runs:
            evaluate_group(run, at_ms, around)
    return runs


def _moment_ms(text: str) -> int:
    try:
        return round(float(text) * 1000)
    except ValueError:
        pass
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise Refused("--time: expected Unix seconds, or 2026-01-31T12:00:00Z") from None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return round(zoned.timestamp() * 1000)


def shown_document(runs: Sequence[GroupRun]) -> dict[str, Any]:
    """For programs."""
    return {
        "groups": [
            {
                "name": run.group.name,
                "file": run.group.file,
                "seconds": run.seconds,
                "rules": [_rule_document(rule) for rule in run.rules],
            }
            for run in runs
        ]
    }


def _rule_document(run: RuleRun) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": str(run.rule.kind),
        "name": run.rule.name,
        "query": run.rule.query,
        "error": run.error,
    }
    if run.rule.kind is RuleKind.ALERTING:
        found["for_seconds"] = run.rule.for_ms / 1000
        found["alerts"] = [
            {
                "labels": dict(labels),
                "annotations": dict(alert.annotations),
                "value": written(alert.value),
            }
            for labels, alert in sorted(run.alerts.items())
        ]
    else:
        found["series"] = [
            {"labels": dict(labels), "value": value_text(value)}
            for labels, value in sorted(run.recorded.items())
        ]
    return found


def shown_lines(runs: Sequence[GroupRun]) -> Iterator[str]:
    """For people."""
    for run in runs:
        yield f"{run.group.file}  {run.group.name}  ({run.seconds * 1000:.0f} ms)"
        for rule in run.rules:
            yield from _rule_lines(rule)


def _rule_lines(run: RuleRun) -> Iterator[str]:
    name = run.rule.name
    if run.error:
        yield f"  FAILED    {name}: {run.error}"
    elif run.rule.kind is RuleKind.ALERTING:
        waits = f" after {run.rule.for_ms / 1000:g} s" if run.rule.for_ms else ""
        state = f"would fire{waits}" if run.alerts else "inactive"
        yield f"  alert     {name}: {state}"
        for labels, alert in sorted(run.alerts.items())[:MOST_SHOWN]:
            yield f"              {labels_text(labels)} {written(alert.value)}"
            for key, text in alert.annotations:
                yield f"                {key}: {text}"
    else:
        yield f"  record    {name}: {len(run.recorded)} series"
        for labels, value in sorted(run.recorded.items())[:MOST_SHOWN]:
            shown = [pair for pair in labels if pair[0] != NAME]
            yield f"              {labels_text(tuple(shown))} {value_text(value)}"
    left = max(len(run.alerts), len(run.recorded)) - MOST_SHOWN
    if left > 0:
        yield f"              and {left} more"
