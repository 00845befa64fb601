"""The four data sources and the links between them, as a provisioning file of Grafana.

Grafana puts variables of its environment in place of `${NAME}`; `$$` is a dollar that stays. Both
variables are its own: where Longpole is, and the token that guards it (empty without one).
"""

from __future__ import annotations

from typing import Any

METRICS, TRACES, LOGS, JAEGER = (
    "longpole-metrics",
    "longpole-traces",
    "longpole-logs",
    "longpole-jaeger",
)
URL = "${LONGPOLE_URL}"
TOKEN = "${LONGPOLE_AUTH_TOKEN}"
# Series of spans have a sample every 30 s; Grafana makes `$__rate_interval` four of them.
SAMPLE_INTERVAL = "30s"
# Attribute of a span's resource to label of a log stream.
_TAGS = {"service.name": "service_name", "service.namespace": "service_namespace"}
_CALLS = "traces_spanmetrics_calls_total"
_LATENCY = "traces_spanmetrics_latency_bucket"


def data_sources() -> dict[str, Any]:
    """The provisioning file, as a document."""
    return {
        "apiVersion": 1,
        "datasources": [_metrics(), _traces(), _logs(), _jaeger()],
    }


def _source(name: str, uid: str, kind: str, prefix: str, **json_data: Any) -> dict[str, Any]:
    return {
        "name": name,
        "uid": uid,
        "type": kind,
        "access": "proxy",
        "url": f"{URL}/{prefix}",
        "editable": False,
        "jsonData": {"httpHeaderName1": "Authorization", **json_data},
        "secureJsonData": {"httpHeaderValue1": f"Bearer {TOKEN}"},
    }


def _metrics() -> dict[str, Any]:
    return _source(
        "Longpole metrics", METRICS, "prometheus", "prometheus",
        httpMethod="POST",
        prometheusType="Prometheus",
        prometheusVersion="3.5.0",
        timeInterval=SAMPLE_INTERVAL,
        exemplarTraceIdDestinations=[{"name": "trace_id", "datasourceUid": TRACES}],
    ) | {"isDefault": True}  # fmt: skip


def _traces() -> dict[str, Any]:
    own = 'service="$${__span.tags[\'service.name\']}", span_name="$${__span.name}"'
    return _source(
        "Longpole traces", TRACES, "tempo", "tempo",
        serviceMap={"datasourceUid": METRICS},
        nodeGraph={"enabled": True},
        traceQuery={"timeShiftEnabled": False},
        search={"hide": False},
        tracesToLogsV2={
            "datasourceUid": LOGS,
            "spanStartTimeShift": "-1m",
            "spanEndTimeShift": "1m",
            "tags": [{"key": key, "value": label} for key, label in _TAGS.items()],
            "filterByTraceID": True,
            "filterBySpanID": False,
        },
        tracesToMetrics={
            "datasourceUid": METRICS,
            "spanStartTimeShift": "-30m",
            "spanEndTimeShift": "30m",
            "queries": [
                {"name": "calls a second", "query": f"sum(rate({_CALLS}{{{own}}}[5m]))"},
                {"name": "failed calls a second",
                 "query": f"sum(rate({_CALLS}{{{own}, status_code=\"STATUS_CODE_ERROR\"}}[5m]))"},
                {"name": "95th percentile of latency",
                 "query": f"histogram_quantile(0.95, sum by (le) (rate({_LATENCY}{{{own}}}[5m])))"},
            ],
        },
    )  # fmt: skip


def _logs() -> dict[str, Any]:
    return _source(
        "Longpole logs", LOGS, "loki", "loki",
        derivedFields=[
            {
                "name": "trace",
                "matcherType": "label",
                "matcherRegex": "trace_id",
                "datasourceUid": TRACES,
                "url": "$${__value.raw}",
                "urlDisplayLabel": "the trace",
            }
        ],
    )  # fmt: skip


def _jaeger() -> dict[str, Any]:
    return _source(
        "Longpole in Jaeger's words", JAEGER, "jaeger", "jaeger",
        nodeGraph={"enabled": True},
        tracesToLogsV2={
            "datasourceUid": LOGS,
            "spanStartTimeShift": "-1m",
            "spanEndTimeShift": "1m",
            "tags": [{"key": key, "value": label} for key, label in _TAGS.items()],
            "filterByTraceID": True,
        },
    )  # fmt: skip
