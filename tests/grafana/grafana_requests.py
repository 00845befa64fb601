"""What Grafana sends for a panel: variables put in as its plugins do, then one request a query.

Times are an hour that ends at `now`, on a panel 1,000 points wide, with the data source's 30 s
between samples: `$__interval` is 30 s, `$__rate_interval` four samples.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.grafana.client import Client

HOUR, STEP = 3600, 30
GLOBAL = {
    "__range": f"{HOUR}s", "__range_s": f"{HOUR}", "__range_ms": f"{HOUR * 1000}",
    "__interval": f"{STEP}s", "__interval_ms": f"{STEP * 1000}", "__rate_interval": f"{4 * STEP}s",
}  # fmt: skip
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with variables put in. KeyError for one that the dashboard does not have."""
    known = {**values, **GLOBAL}
    return _VARIABLE.sub(lambda match: known[match[1] or match[2]], text)


@dataclass(frozen=True, slots=True)
class Grafana:
    """A Grafana whose data sources point to one Longpole; `now` in seconds."""

    client: Client
    now: int

    def frames(self, target: Mapping[str, Any], values: Mapping[str, str]) -> int:
        """How many series, rows or traces a query of a panel brings; only with real numbers."""
        kind = filled(target["datasource"]["uid"], values)
        if kind == "longpole-traces":
            if target["queryType"] == "serviceMap":
                return min(self.instant(query) for query in service_map_queries())
            return self._traces(filled(target["query"], values), int(target["limit"]))
        assert kind == "longpole-metrics"
        expression = filled(target["expr"], values)
        return self.instant(expression) if target.get("instant") else self.range(expression)

    def instant(self, query: str) -> int:
        """Rows of a table."""
        answer = self._ask("query", {"query": query, "time": str(self.now)})
        return sum(not math.isnan(float(one["value"][1])) for one in answer["result"])

    def range(self, query: str) -> int:
        """Lines."""
        asked = {
            "query": query, "start": str(self.now - HOUR), "end": str(self.now), "step": str(STEP)
        }  # fmt: skip
        answer = self._ask("query_range", asked)
        return sum(
            any(not math.isnan(float(value)) for _, value in one["values"])
            for one in answer["result"]
        )

    def exemplars(self, query: str) -> int:
        """Diamonds that lead to a trace."""
        asked = {"query": query, "start": str(self.now - HOUR), "end": str(self.now)}
        found = self._ask("query_exemplars", asked)
        return sum("trace_id" in one["labels"] for series in found for one in series["exemplars"])

    def values(self, definition: str) -> list[str]:
        """What `label_values(metric, label)` offers."""
        match = re.fullmatch(r"label_values\((.+), (\w+)\)", definition)
        assert match is not None, definition
        asked = {
            "match[]": match[1], "start": self.now - HOUR, "end": self.now, "limit": 40_000,
        }  # fmt: skip
        answer = self.client.get(f"/prometheus/api/v1/label/{match[2]}/values", asked)
        found: list[str] = answer.json()["data"]
        return found

    def _traces(self, query: str, limit: int) -> int:
        asked = {
            "q": query, "limit": limit, "spss": 3, "start": self.now - HOUR, "end": self.now
        }  # fmt: skip
        answer = self.client.get("/tempo/api/search", asked)
        assert answer.status_code == 200, f"{query}: {answer.text}"
        return len(answer.json()["traces"])

    def _ask(self, path: str, form: Mapping[str, str]) -> Any:
        answer = self.client.post(f"/prometheus/api/v1/{path}", form)
        assert answer.status_code == 200, f"{form['query']}: {answer.text}"
        return answer.json()["data"]


def service_map_queries() -> Iterator[str]:
    """What the Tempo data source asks of its linked metrics for the tab and panel of the graph."""
    graph = "traces_service_graph_request"
    for metric in (f"{graph}_server_seconds_sum", f"{graph}_total", f"{graph}_failed_total"):
        yield f"sum by (client, server) (rate({metric}[{HOUR}s]))"
        yield f"group by (client, connection_type, server) ({metric})"
    calls = 'traces_spanmetrics_calls_total{span_kind="SPAN_KIND_SERVER"'
    yield f"topk(5, sum(rate({calls}}}[{HOUR}s])) by (span_name))"
    yield f'topk(5, sum(rate({calls},status_code="STATUS_CODE_ERROR"}}[{HOUR}s])) by (span_name))'
    bucket = 'traces_spanmetrics_latency_bucket{span_name=~"POST /orders"}'
    yield f"histogram_quantile(.9, sum(rate({bucket}[{HOUR}s])) by (le))"
