"""`status/*`: what Grafana and scripts want to know of the server itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from longpole.grafana.prometheus import answer
from longpole.grafana.prometheus.answer import Answer
from longpole.grafana.prometheus.asked import Asked, in_bounds
from longpole.grafana.prometheus.asking import Asking

# The release whose language and API this is. Grafana switches features on by it.
SPOKEN = "3.5.0"
_TOP = 10
# Figures are of what is current, and of a bounded number of series.
_RECENT_MS = 3_600_000
_MOST_SERIES = 100_000


def buildinfo(asking: Asking, asked: Asked) -> Answer:
    """The version. Without `features`: with them Grafana would take this for Mimir."""
    return answer.of({
        "version": SPOKEN, "revision": f"longpole-{asking.version}", "branch": "",
        "buildUser": "", "buildDate": "", "goVersion": "",
    })  # fmt: skip


def flags(asking: Asking, asked: Asked) -> Answer:
    """Settings of this server, and the limits of a query under Prometheus' names."""
    settings = asking.settings
    return answer.of({
        "query.lookback-delta": f"{settings.lookback_ms // 1000}s",
        "query.max-samples": str(settings.limits.samples),
        "query.timeout": f"{settings.limits.seconds:g}s",
        **asking.shown,
    })  # fmt: skip


def config(asking: Asking, asked: Asked) -> Answer:
    """Nothing is scraped, so there is no configuration of that."""
    return answer.of({"yaml": ""})


def runtimeinfo(asking: Asking, asked: Asked) -> Answer:
    """As much of it as there is here."""
    return answer.of({"reloadConfigSuccess": True, "serverTime": _seconds(asking)})


def tsdb(asking: Asking, asked: Asked) -> Answer:
    """Which names, labels and values make the most series, in the last hour. Of more than
    `_MOST_SERIES` these are the figures of so many, and a warning says so."""
    limit = asked.limit() or _TOP
    now_ms = asking.now_ms()
    found = asking.catalog.series(
        (), in_bounds(now_ms - _RECENT_MS), in_bounds(now_ms), _MOST_SERIES
    )
    is_cut = len(found) >= _MOST_SERIES
    warnings = (f"only {_MOST_SERIES:,} series were counted",) if is_cut else ()
    names: Counter[str] = Counter()
    pairs: Counter[str] = Counter()
    values: dict[str, set[str]] = defaultdict(set)
    for labels in found:
        for name, value in labels:
            values[name].add(value)
            pairs[f"{name}={value}"] += 1
            if name == "__name__":
                names[value] += 1
    sizes = Counter({name: len(held) for name, held in values.items()})
    lengths = Counter({name: sum(map(len, held)) for name, held in values.items()})
    return answer.of({
        "headStats": {
            "numSeries": len(found), "numLabelPairs": len(pairs), "chunkCount": 0,
            "minTime": now_ms - _RECENT_MS, "maxTime": now_ms,
        },
        "seriesCountByMetricName": _top(names, limit),
        "labelValueCountByLabelName": _top(sizes, limit),
        "memoryInBytesByLabelName": _top(lengths, limit),
        "seriesCountByLabelValuePair": _top(pairs, limit),
    }, warnings)  # fmt: skip


def targets(asking: Asking, asked: Asked) -> Answer:
    """Nothing is scraped: senders push."""
    return answer.of({"activeTargets": [], "droppedTargets": [], "droppedTargetCounts": {}})


def scrape_pools(asking: Asking, asked: Asked) -> Answer:
    """Nothing is scraped."""
    return answer.of({"scrapePools": []})


def notifications(asking: Asking, asked: Asked) -> Answer:
    """What a page should say of the server; it says that on its own status page."""
    return answer.of([])


def walreplay(asking: Asking, asked: Asked) -> Answer:
    """There are no segments of a log of writes; `/readyz?full` waits for the journal."""
    return answer.of({"min": 0, "max": 0, "current": 0})


def alertmanagers(asking: Asking, asked: Asked) -> Answer:
    """Where alerts go is a setting and not shown: addresses may hold secrets."""
    return answer.of({"activeAlertmanagers": [], "droppedAlertmanagers": []})


def _seconds(asking: Asking) -> float:
    return asking.now_ms() / 1000


def _top(counts: Counter[str], limit: int) -> list[dict[str, Any]]:
    return [{"name": name, "value": count} for name, count in counts.most_common(limit)]
