"""Dashboards of rate, errors and duration: of all services, and of one."""

from __future__ import annotations

from typing import Any

from longpole.grafana.provisioning.panels import (
    Sheet,
    choice,
    figure,
    heat,
    lines,
    query,
    rows,
    trace_rows,
)
from longpole.grafana.provisioning.red_queries import (
    CALLS,
    LATENCY,
    LINES,
    SERVED,
    WHOLE,
    calls,
    failure_ratio,
    latency,
)

SERVICES, SERVICE = "longpole-services", "longpole-service"
TO_SERVICE = (
    "service",
    "this service",
    f"/d/{SERVICE}?var-service=${{__value.raw:percentencode}}&${{__url_time_range}}",
)
_PATH = "longpole_critical_path_seconds_total"
_EDGE = "traces_service_graph_request"


def services() -> Any:
    """Every service at a glance."""
    sheet = Sheet(
        SERVICES, "Longpole / Services",
        "Rate, errors and duration of every service, counted from its spans.",
    )  # fmt: skip
    sheet.add(figure("Calls", "reqps", calls("", SERVED, WHOLE)), 6, 4)
    sheet.add(
        figure("Failed", "percentunit", failure_ratio("", SERVED, WHOLE), steps=(0.01, 0.05)), 6, 4
    )
    sheet.add(figure("Median", "s", latency(0.5, "", SERVED, WHOLE)), 6, 4)
    sheet.add(figure("99th percentile", "s", latency(0.99, "", SERVED, WHOLE)), 6, 4)
    sheet.add(
        rows(
            "Services", ["service"],
            [
                ("Calls", "reqps", calls("service", SERVED, WHOLE)),
                ("Failed", "percentunit", failure_ratio("service", SERVED, WHOLE)),
                ("Median", "s", latency(0.5, "service", SERVED, WHOLE)),
                ("95th", "s", latency(0.95, "service", SERVED, WHOLE)),
                ("99th", "s", latency(0.99, "service", SERVED, WHOLE)),
            ],
            "Spans of kind server and consumer, over the whole range.", TO_SERVICE,
        ), 24, 9,
    )  # fmt: skip
    sheet.add(lines("Calls", "reqps", query(calls("service", SERVED, LINES), "{{service}}")), 8, 9)
    sheet.add(
        lines(
            "Failed", "percentunit", query(failure_ratio("service", SERVED, LINES), "{{service}}")
        ), 8, 9,
    )  # fmt: skip
    sheet.add(
        lines(
            "95th percentile", "s",
            query(latency(0.95, "service", SERVED, LINES), "{{service}}", is_exemplary=True),
            words="Diamonds are traces.",
        ), 8, 9,
    )  # fmt: skip
    return sheet.built()


def service() -> Any:
    """One service: its operations, its latency, where its time goes, who calls it and whom it
    calls, its traces."""
    sheet = Sheet(
        SERVICE, "Longpole / One service",
        "What one service does, how long it takes, where its time goes and whom it depends on.",
        [choice("service", "Service", f"label_values({CALLS}, service)")],
    )  # fmt: skip
    own = f'service="$service", {SERVED}'
    sheet.add(figure("Calls", "reqps", calls("", own, WHOLE)), 6, 4)
    sheet.add(
        figure("Failed", "percentunit", failure_ratio("", own, WHOLE), steps=(0.01, 0.05)), 6, 4
    )
    sheet.add(figure("Median", "s", latency(0.5, "", own, WHOLE)), 6, 4)
    sheet.add(figure("99th percentile", "s", latency(0.99, "", own, WHOLE)), 6, 4)
    sheet.add(lines("Calls", "reqps", query(calls("span_name", own, LINES), "{{span_name}}")), 8, 9)
    sheet.add(
        lines(
            "Failed", "percentunit", query(failure_ratio("span_name", own, LINES), "{{span_name}}")
        ), 8, 9,
    )  # fmt: skip
    quantiles = ((0.5, "median", "A"), (0.95, "95th", "B"), (0.99, "99th", "C"))
    sheet.add(
        lines(
            "Duration", "s",
            *(
                query(latency(quantile, "", own, LINES), legend, ref, is_exemplary=ref == "C")
                for quantile, legend, ref in quantiles
            ),
            words="Diamonds are traces.",
        ), 8, 9,
    )  # fmt: skip
    sheet.add(heat("Durations", "s", f"sum by (le) (rate({LATENCY}{{{own}}}[{LINES}]))"), 12, 9)
    sheet.add(
        rows(
            "Operations", ["span_name"],
            [
                ("Calls", "reqps", calls("span_name", own, WHOLE)),
                ("Failed", "percentunit", failure_ratio("span_name", own, WHOLE)),
                ("Median", "s", latency(0.5, "span_name", own, WHOLE)),
                ("99th", "s", latency(0.99, "span_name", own, WHOLE)),
            ],
        ), 12, 9,
    )  # fmt: skip
    held = f'sum by (label) (rate({_PATH}{{service="$service"}}[{LINES}]))'
    sheet.add(
        lines(
            "On the critical path", "s",
            query(held, "{{label}}"), is_stacked=True,
            words="Seconds a second that traces waited for this service, by what it did.",
        ), 8, 9,
    )  # fmt: skip
    for title, own_end, other_end in (
        ("Called by", "server", "client"), ("Calls to", "client", "server"),
    ):  # fmt: skip
        sheet.add(_neighbours(title, own_end, other_end), 8, 9)
    sheet.add(
        trace_rows(
            "Calls", '{ resource.service.name = "$service" && kind = server } '
            "| select(status, duration)",
            "Recent traces through this service.",
        ), 12, 9,
    )  # fmt: skip
    sheet.add(
        trace_rows(
            "Failed calls", '{ resource.service.name = "$service" && status = error } '
            "| select(statusMessage)",
        ), 12, 9,
    )  # fmt: skip
    return sheet.built()


def _neighbours(title: str, own_end: str, other_end: str) -> Any:
    where = f'{own_end}="$service"'
    rate = f"sum by ({other_end}) (rate({_EDGE}_total{{{where}}}[{WHOLE}]))"
    failed = f"sum by ({other_end}) (rate({_EDGE}_failed_total{{{where}}}[{WHOLE}]))"
    buckets = f"sum by ({other_end}, le) (rate({_EDGE}_client_seconds_bucket{{{where}}}[{WHOLE}]))"
    return rows(
        title, [other_end],
        [
            ("Calls", "reqps", rate),
            ("Failed", "percentunit", f"({failed} or 0 * {rate}) / ({rate} > 0)"),
            ("95th", "s", f"histogram_quantile(0.95, {buckets})"),
        ],
        "From the service graph: both ends of each call.",
        (other_end, *TO_SERVICE[1:]),
    )  # fmt: skip
