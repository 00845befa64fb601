"""The builders of grafana-foundation-sdk, in one place.

Version 0.0.21 says on import that it prefers the second schema of dashboards. That one is not read
by Grafana 11 and older, so the first is what we write, and the advice is not shown.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import (
        common,
        dashboard,
        heatmap,
        nodegraph,
        prometheus,
        stat,
        table,
        tempo,
        timeseries,
    )
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import common as common_model
    from grafana_foundation_sdk.models import dashboard as dashboard_model
    from grafana_foundation_sdk.models import heatmap as heatmap_model
    from grafana_foundation_sdk.models import prometheus as prometheus_model
    from grafana_foundation_sdk.models import tempo as tempo_model

__all__ = [
    "JSONEncoder",
    "common",
    "common_model",
    "dashboard",
    "dashboard_model",
    "heatmap",
    "heatmap_model",
    "nodegraph",
    "prometheus",
    "prometheus_model",
    "stat",
    "table",
    "tempo",
    "tempo_model",
    "timeseries",
]
