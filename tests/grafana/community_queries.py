"""Queries of three dashboards that people have, written anew from the metrics and labels they use.

Jaeger's service performance monitoring, the OpenTelemetry demo's span metrics, and the service
graph of Tempo's mixin. True marks a query of one moment, False one over the range.
"""

from __future__ import annotations

from collections.abc import Iterator

_CALLS = "traces_span_metrics_calls_total"
_DURATION = "traces_span_metrics_duration_milliseconds"
_EDGE = "traces_service_graph"
_INFO = f"{_EDGE}_connection_info"


def community_queries() -> Iterator[tuple[str, str, bool]]:
    """Dashboard, PromQL with Grafana's variables, whether it is of one moment."""
    for query in _jaeger():
        yield "jaeger", query, False
    for query, is_instant in _demo():
        yield "opentelemetry-demo", query, is_instant
    for query, is_instant in _service_graph():
        yield "tempo-mixin", query, is_instant


def _jaeger() -> Iterator[str]:
    for labels in ("service_name", "service_name, span_name"):
        where = 'service_name =~ "inventory|order-service", span_kind =~ "SPAN_KIND_SERVER"'
        calls = f"sum(rate({_CALLS}{{{where}}}[10m])) by ({labels})"
        failing = f'{_CALLS}{{{where}, status_code = "STATUS_CODE_ERROR"}}'
        yield calls
        yield f"sum(rate({failing}[10m])) by ({labels}) / {calls}"
        for quantile in (0.5, 0.75, 0.95):
            buckets = f"sum(rate({_DURATION}_bucket{{{where}}}[10m])) by ({labels}, le)"
            yield f"histogram_quantile({quantile}, {buckets})"


def _demo() -> Iterator[tuple[str, bool]]:
    where = 'service_name=~"$service", span_name=~"$span_name"'
    yield f"count by (service_name) (count_over_time({_CALLS}[$__range]))", True
    yield f'count by (span_name) ({{__name__=~".*{_CALLS}", service_name=~"$service"}})', True
    for quantile in (0.5, 0.95, 0.99, 0.999):
        for by in ("service_name", "service_name, span_name"):
            rate = f"rate({_DURATION}_bucket{{{where}}}[$__range])"
            yield f"topk(7, histogram_quantile({quantile}, sum by (le, {by}) ({rate})))", True
            lines = rate.replace("$__range", "$__rate_interval")
            yield f"histogram_quantile({quantile}, sum by (le, {by}) ({lines}))", False
    yield (
        f"topk(7, sum by (span_name, service_name) (increase({_CALLS}{{{where}}}[$__range])))",
        True,
    )
    failed = f'{_CALLS}{{{where}, status_code="STATUS_CODE_ERROR"}}'
    yield f"topk(7, sum by (span_name, service_name) (increase({failed}[${{__range}}])) > 0)", True
    yield f"sum by (service_name) (rate({failed}[$__rate_interval]))", False
    yield f"sum by (service_name) (rate({_CALLS}{{{where}}}[$__rate_interval]))", False
    yield (
        (
            f"sum by (service_name) (rate({_DURATION}_sum{{{where}}}[5m])) "
            f"/ sum by (service_name) (rate({_DURATION}_count{{{where}}}[5m]))"
        ),
        False,
    )
    yield f"sum by (le) (increase({_DURATION}_bucket{{{where}}}[$__rate_interval]))", False


def _service_graph() -> Iterator[tuple[str, bool]]:
    for end in ("client", "server"):
        ends = f"group by ({end}, {end}_service_namespace) ({_INFO})"
        named = f'label_join({ends}, "id", "/", "{end}_service_namespace", "{end}")'
        yield f'label_replace({named}, "title", "$$1", "{end}", "(.*)")', True
    pair = (
        f"group by (client, server, client_service_namespace, server_service_namespace) ({_INFO})"
    )
    source = f'label_join({pair}, "source", "/", "client_service_namespace", "client")'
    target = f'label_join({source}, "target", "/", "server_service_namespace", "server")'
    yield f'label_join({target}, "id", "->", "source", "target")', True
    rate = f"rate({_EDGE}_request_total[$__rate_interval])"
    yield f"sum by (client, server) ({rate})", False
    yield f"sum by (client, server) ({rate.replace('_total', '_failed_total')})", False
    buckets = f"rate({_EDGE}_request_server_seconds_bucket[$__rate_interval])"
    yield f"histogram_quantile(0.9, sum by (client, server, le) ({buckets}))", False
