"""The dashboard of Longpole itself: what comes in, what is kept, what was lost, what alerts do.

It asks for the own metrics of docs/metrics.md, which are series under `/prometheus` with
`--own-series-interval`, or in any Prometheus that scrapes `/metrics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from longpole.grafana.provisioning.panels import Sheet, choice, figure, lines, query
from longpole.grafana.provisioning.red_queries import LINES, WHOLE

_HERE = 'instance=~"$instance"'
_RECEIVED, _STORED = "longpole_collector", "longpole_storage"


def ingest() -> Any:
    """The health of the server."""
    sheet = Sheet(
        "longpole-ingest", "Longpole / Ingest health",
        "What comes in, what is refused, what is kept and what was lost; rules and alerts.",
        [choice("instance", "Server", f"label_values({_STORED}_records, instance)", has_all=True)],
    )  # fmt: skip
    accepted = f'{_RECEIVED}_records_total{{{_HERE}, outcome="accepted"}}'
    sheet.add(figure("Accepted", "cps", f"sum(rate({accepted}[{WHOLE}]))"), 6, 4)
    rejected = f'{_RECEIVED}_records_total{{{_HERE}, outcome="rejected"}}'
    sheet.add(
        figure(
            "Rejected", "short", f"sum(increase({rejected}[{WHOLE}])) or vector(0)", steps=(1, 100)
        ), 6, 4,
    )  # fmt: skip
    losses = f"sum(increase({_STORED}_losses_total{{{_HERE}}}[{WHOLE}])) or vector(0)"
    sheet.add(figure("Lost", "short", losses, "After it was accepted.", (1, 1)), 6, 4)
    sheet.add(figure("Free disk", "bytes", f"min({_STORED}_free_bytes{{{_HERE}}})"), 6, 4)
    sheet.row("Coming in")
    sheet.add(_rates("Records accepted", "cps", [(accepted, "signal")]), 8)
    others = f'{_RECEIVED}_records_total{{{_HERE}, outcome!="accepted"}}'
    sheet.add(_rates("Records rejected and repeated", "cps", [(others, "signal, outcome")]), 8)
    sheet.add(
        _rates("Problems", "cps", [(f"{_RECEIVED}_problems_total{{{_HERE}}}", "signal, code")]), 8
    )
    requests = f"{_RECEIVED}_requests_total{{{_HERE}}}"
    sheet.add(_rates("Requests", "reqps", [(requests, "transport, outcome")]), 8)
    refusals = f"{_RECEIVED}_refusals_total{{{_HERE}}}"
    sheet.add(_rates("Requests refused", "reqps", [(refusals, "transport, reason")]), 8)
    sheet.add(
        _rates("Bytes", "Bps", [
            (f"{_RECEIVED}_received_bytes_total{{{_HERE}}}", "signal"),
            (f"{_RECEIVED}_decoded_bytes_total{{{_HERE}}}", "signal"),
        ], ("{{signal}} as sent", "{{signal}} decompressed")), 8,
    )  # fmt: skip
    sheet.add(
        lines(
            "Time to answer", "s",
            *(
                query(_duration(quantile), legend, ref)
                for quantile, legend, ref in ((0.5, "median", "A"), (0.99, "99th", "B"))
            ),
            words="An answer means the request is on disk.",
        ), 12,
    )  # fmt: skip
    sheet.add(_levels("Bytes in flight", "bytes", f"{_RECEIVED}_in_flight_bytes"), 12)
    sheet.row("Kept")
    sheet.add(_levels("Records", "short", f"{_STORED}_records", by="signal"), 8)
    sheet.add(_levels("Bytes", "bytes", f"{_STORED}_segment_bytes", f"{_STORED}_journal_bytes"), 8)
    sheet.add(_levels("Hot rows", "short", f"{_STORED}_hot_rows"), 8)
    sheet.add(_levels("Traces that wait", "short", f"{_STORED}_pending_traces"), 8)
    sheet.add(_levels("Segments", "short", f"{_STORED}_segments"), 8)
    sheet.add(
        _levels(
            "Dropped by retention, and lost", "short",
            f"{_STORED}_expired_records_total", f"{_STORED}_losses_total",
            by="reason", is_zero_without=True,
        ), 8,
    )  # fmt: skip
    sheet.add(
        lines(
            "Processor", "percentunit",
            query(f"sum by (instance) (rate(process_cpu_seconds_total{{{_HERE}}}[{LINES}]))",
                  "{{instance}}"),
            words="1 is one core.",
        ), 12,
    )  # fmt: skip
    sheet.add(_levels("Memory", "bytes", "process_resident_memory_bytes"), 12)
    sheet.row("Rules and alerts")
    sheet.add(_levels("Alerts", "short", "longpole_alerts_firing", "longpole_alerts_pending"), 8)
    rules = [(f"longpole_rule_{what}_total{{{_HERE}}}", "instance") for what in _RULES]
    sheet.add(_rates("Rules", "cps", rules, list(_RULES.values())), 8)
    notices = [(f"longpole_notifications_{what}_total{{{_HERE}}}", "instance") for what in _SENT]
    sheet.add(_rates("Notifications", "cps", notices, _SENT), 8)
    return sheet.built()


_RULES = {
    "evaluations": "evaluated", "evaluation_failures": "failed", "iterations_missed": "missed",
    "samples_lost": "samples lost",
}  # fmt: skip
_SENT = ("sent", "failed", "dropped")


def _rates(
    title: str, unit: str, counters: Sequence[tuple[str, str]], legends: Sequence[str] = ()
) -> Any:
    """Counters as (selector, labels to tell apart)."""
    queries = []
    for number, (selector, by) in enumerate(counters):
        legend = legends[number] if legends else _legend(by)
        rate = f"sum by ({by}) (rate({selector}[{LINES}]))"
        queries.append(query(rate, legend, chr(ord("A") + number)))
    return lines(title, unit, *queries)


def _levels(
    title: str, unit: str, *names: str, by: str = "instance", is_zero_without: bool = False
) -> Any:
    """Values as they are, of one metric or several; 0 where there is no series yet, if asked."""
    queries = []
    for number, name in enumerate(names):
        what = name.split("_", 2)[-1].replace("_", " ")
        legend = _legend(by) if len(names) == 1 else f"{what} {_legend(by)}"
        level = f"sum by ({by}) ({name}{{{_HERE}}})"
        level += " or on () vector(0)" if is_zero_without else ""
        queries.append(query(level, legend, chr(ord("A") + number)))
    return lines(title, unit, *queries)


def _legend(by: str) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in by.split(", "))


def _duration(quantile: float) -> str:
    buckets = f"rate({_RECEIVED}_request_duration_seconds_bucket{{{_HERE}}}[{LINES}])"
    return f"histogram_quantile({quantile:g}, sum by (le) ({buckets}))"
