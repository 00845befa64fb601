from __future__ import annotations

from longpole.analyzer.alerting.group_evaluation import STALE
from longpole.analyzer.alerting.tick_source import Sample
from longpole.analyzer.promql.expressions import Matcher, MatchOp
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql.series import is_stale, labels_of
from longpole.analyzer.promql_sources.store_catalog import stored_series
from longpole.cli.recorded_points import recorded
from longpole.model.clock import ManualClock
from longpole.storage.memory import MemoryStore


def test_recorded_samples_come_back_under_exactly_their_labels() -> None:
    clock = ManualClock()
    store = MemoryStore(clock, 0.0, 0.0)
    labels = labels_of({NAME: "job:x:rate5m", "job": "a", "d.e": "f"})
    other = labels_of({NAME: "ALERTS", "alertname": "<b>", "alertstate": "firing"})
    now = clock.now_unix_nano() // 1_000_000
    samples = [Sample(labels, now, 1.5), Sample(labels, now + 1000, STALE), Sample(other, now, 1)]

    telemetry = recorded(samples)
    store.submit(telemetry, clock.now_unix_nano()).result()

    assert telemetry.rejected == 0
    source = stored_series(store, clock)
    found = [
        one
        for name in ("job:x:rate5m", "ALERTS", "target_info")
        for one in source.select([Matcher(NAME, MatchOp.EQUAL, name)], now - 1, now + 9999, 99)
    ]
    assert [one.labels for one in found] == [labels, other]
    assert found[0].times_ms.tolist() == [now, now + 1000]
    assert is_stale(found[0].values).tolist() == [False, True]
