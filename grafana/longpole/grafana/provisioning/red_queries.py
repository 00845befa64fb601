"""PromQL over the metrics that Longpole makes of spans, as dashboards ask it.

`where` is a list of conditions without braces, `by` a list of labels, `window` a range. Windows of
lines are Grafana's `$__rate_interval`, which is never shorter than four samples.
"""

from __future__ import annotations

CALLS = "traces_spanmetrics_calls_total"
LATENCY = "traces_spanmetrics_latency_bucket"
# What a service did for others: it answered a call or took a message.
SERVED = 'span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"'
_FAILED = 'status_code="STATUS_CODE_ERROR"'
LINES, WHOLE = "$__rate_interval", "$__range"


def calls(by: str, where: str, window: str) -> str:
    """Calls a second."""
    return f"{_sum(by)}(rate({CALLS}{{{where}}}[{window}]))"


def failures(by: str, where: str, window: str) -> str:
    """Failed calls a second; 0, not nothing, where all went well."""
    failed = calls(by, f"{where}, {_FAILED}", window)
    return f"({failed} or 0 * {calls(by, where, window)})"


def failure_ratio(by: str, where: str, window: str) -> str:
    """Failed calls as a share of all; nothing where there were none."""
    return f"{failures(by, where, window)} / ({calls(by, where, window)} > 0)"


def latency(quantile: float, by: str, where: str, window: str) -> str:
    """A quantile of durations, in seconds."""
    labels = f"{by}, le" if by else "le"
    buckets = f"sum by ({labels}) (rate({LATENCY}{{{where}}}[{window}]))"
    return f"histogram_quantile({quantile:g}, {buckets})"


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"
