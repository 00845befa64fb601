"""What can be chosen of series: families made of spans, and attributes that become labels. Nothing
heavy is imported here, since settings are read before anything else."""

from __future__ import annotations

TEMPO, CONNECTOR, SERVICE_GRAPH, CRITICAL_PATH = (
    "spanmetrics", "span_metrics", "service_graph", "critical_path",
)  # fmt: skip
FAMILIES = (TEMPO, CONNECTOR, SERVICE_GRAPH, CRITICAL_PATH)
PROMOTED = ("service.name", "service.namespace", "service.version", "deployment.environment.name")


def chosen_families(value: object) -> tuple[str, ...]:
    """Families separated by commas, or as a list. ValueError for one that there is not."""
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    chosen = tuple(name for part in parts if (name := str(part).strip()))
    if any(name not in FAMILIES for name in chosen):
        raise ValueError(f"expected some of {', '.join(FAMILIES)}")
    return chosen
