"""Dashboards of what traces wait for, and of who calls whom."""

from __future__ import annotations

from typing import Any

from longpole.grafana.provisioning.panels import (
    Sheet,
    choice,
    figure,
    graph,
    lines,
    query,
    rows,
    trace_rows,
)
from longpole.grafana.provisioning.red_queries import LINES, WHOLE
from longpole.grafana.provisioning.service_boards import TO_SERVICE

_PATH = "longpole_critical_path_seconds_total"
_EDGE = "traces_service_graph_request"
_CHOSEN = 'root=~"$root"'
_ENDS = 'client=~"$client", server=~"$server"'


def critical_path() -> Any:
    """Where the time of traces went."""
    sheet = Sheet(
        "longpole-critical-path", "Longpole / Critical path",
        "What traces waited for: seconds on the critical path, exact after every revision.",
        [choice("root", "Root", f"label_values({_PATH}, root)", has_all=True)],
    )  # fmt: skip
    all_of_it = f"sum(increase({_PATH}{{{_CHOSEN}}}[{WHOLE}]))"
    sheet.add(figure("Time of traces", "s", all_of_it), 6, 4)
    most = f"max(sum by (service) (increase({_PATH}{{{_CHOSEN}}}[{WHOLE}])))"
    sheet.add(figure("Largest service", "percentunit", f"{most} / {all_of_it}"), 6, 4)
    errors = "{ status = error } | select(statusMessage)"
    sheet.add(_over_time("By service", "service"), 12, 9)
    sheet.add(_over_time("By what it was spent on", "label"), 12, 9)
    sheet.add(_over_time("By root", "root"), 12, 9)
    spent = f"sum by (root, service, operation) (increase({_PATH}{{{_CHOSEN}}}[{WHOLE}]))"
    whole = f"sum by (root) (increase({_PATH}{{{_CHOSEN}}}[{WHOLE}]))"
    sheet.add(
        rows(
            "Operations that traces wait for", ["root", "service", "operation"],
            [
                ("Share", "percentunit", f"topk(20, {spent} / on (root) group_left () {whole})"),
                ("Time", "s", spent),
            ],
            "The share is of all traces with that root.", TO_SERVICE,
        ), 24, 10,
    )  # fmt: skip
    sheet.add(
        trace_rows("Long traces", "{ nestedSetParent < 0 && duration > 500ms } | select(status)"),
        12, 9,
    )  # fmt: skip
    sheet.add(trace_rows("Failed traces", errors), 12, 9)
    return sheet.built()


def _over_time(title: str, by: str) -> Any:
    rate = f"sum by ({by}) (rate({_PATH}{{{_CHOSEN}}}[{LINES}]))"
    return lines(
        title, "s", query(rate, f"{{{{{by}}}}}"), is_stacked=True,
        words="Seconds of waiting in a second; above 1, several traces wait at once.",
    )  # fmt: skip


def service_map() -> Any:
    """Who calls whom, how often, how well."""
    sheet = Sheet(
        "longpole-service-map", "Longpole / Service map",
        "Calls between services, databases and queues, from both ends of each call.",
        [
            choice("client", "From", f"label_values({_EDGE}_total, client)", has_all=True),
            choice("server", "To", f"label_values({_EDGE}_total, server)", has_all=True),
        ],
    )  # fmt: skip
    sheet.add(graph("Map", "Drawn by the Tempo data source from its linked metrics."), 24, 14)
    edge = "client, server, connection_type"
    rate = f"sum by ({edge}) (rate({_EDGE}_total{{{_ENDS}}}[{WHOLE}]))"
    failed = f"sum by ({edge}) (rate({_EDGE}_failed_total{{{_ENDS}}}[{WHOLE}]))"
    sheet.add(
        rows(
            "Calls", ["client", "server", "connection_type"],
            [
                ("Rate", "reqps", rate),
                ("Failed", "percentunit", f"({failed} or 0 * {rate}) / ({rate} > 0)"),
                ("Client's 95th", "s", _p95("client", edge, WHOLE)),
                ("Server's 95th", "s", _p95("server", edge, WHOLE)),
            ],
            "Where the client's time is far above the server's, the network or a queue has it.",
        ), 24, 10,
    )  # fmt: skip
    names = "{{client}} → {{server}}"
    over_time = f"sum by (client, server) (rate({_EDGE}_total{{{_ENDS}}}[{LINES}]))"
    over_time_failed = f"sum by (client, server) (rate({_EDGE}_failed_total{{{_ENDS}}}[{LINES}]))"
    sheet.add(lines("Rate", "reqps", query(over_time, names)), 8, 9)
    sheet.add(lines("Failed", "reqps", query(over_time_failed, names)), 8, 9)
    sheet.add(
        lines("Client's 95th", "s", query(_p95("client", "client, server", LINES), names)), 8, 9
    )
    return sheet.built()


def _p95(end: str, by: str, window: str) -> str:
    buckets = f"rate({_EDGE}_{end}_seconds_bucket{{{_ENDS}}}[{window}])"
    return f"histogram_quantile(0.95, sum by ({by}, le) ({buckets}))"
