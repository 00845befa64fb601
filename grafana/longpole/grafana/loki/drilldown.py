"""What Grafana's Logs Drilldown asks beside queries: volumes, patterns and limits."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from longpole.analyzer.log_templates import OTHER, WILDCARD, templates_of
from longpole.analyzer.logql.evaluation import MOST_SERIES
from longpole.analyzer.logql.labels import STREAM_ATTRIBUTES
from longpole.analyzer.logql.line_patterns import LinePattern, line_pattern
from longpole.analyzer.logql.pipeline import Line
from longpole.analyzer.logql.reading import MOST_SECONDS

# Lines that patterns are made of, the newest.
MOST_PATTERN_LINES = 20_000
MOST_PATTERNS = 300
_ANYTHING = "<_>"
_SEVERAL = re.compile("(?:<_>)+")
Labels = tuple[tuple[str, str], ...]


def volumes(
    lines: Iterable[Line], wanted: Sequence[str], *, by_label: bool, step_ns: int = 0
) -> dict[Labels, Counter[int]]:
    """Bytes of lines by their labels `wanted` and by the step that they are in, the biggest first.
    Without a step everything is in one. `by_label`: each label by itself, under its name alone."""
    sizes: dict[Labels, Counter[int]] = defaultdict(Counter)
    for line in lines:
        place = line.record.time_ns // step_ns if step_ns else 0
        size = len(line.record.line.encode())
        labels = tuple((name, line.labels[name]) for name in wanted if name in line.labels)
        for key in [((name, ""),) for name, _ in labels] if by_label else [labels]:
            sizes[key][place] += size
    return dict(sorted(sizes.items(), key=lambda pair: (-pair[1].total(), pair[0])))


def volume_series(sizes: Mapping[Labels, Counter[int]], step_ns: int) -> list[dict[str, Any]]:
    """As a matrix; a step is named by its end."""
    return [
        {
            "metric": dict(labels),
            "values": [
                [(place + 1) * step_ns / 1e9, str(size)] for place, size in sorted(counts.items())
            ],
        }
        for labels, counts in sizes.items()
    ]


def patterns(lines: Sequence[Line], step_ns: int) -> list[dict[str, Any]]:
    """Patterns of lines with how many of each came in which step, most lines first. Each can be
    asked for: `|> "<pattern>"` finds its lines."""
    found = templates_of([line.record.line for line in lines])
    counts: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    shown: dict[str, str] = {}
    for line, template in zip(lines, found, strict=True):
        if template == OTHER or not line.record.line.strip():
            continue
        pattern = shown.get(template)
        if pattern is None:
            pattern = shown[template] = pattern_text(template, line.record.line)
        level = line.record.metadata.get("detected_level", "unknown")
        step = line.record.time_ns // step_ns * step_ns // 10**9
        counts[pattern, level][step] += 1
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1].total(), pair[0]))
    return [
        {"pattern": pattern, "level": level, "samples": [list(one) for one in sorted(at.items())]}
        for (pattern, level), at in ranked[:MOST_PATTERNS]
    ]


def pattern_text(template: str, example: str) -> str:
    """A template in Loki's notation. It says nothing of what is cut off and of blanks, so it is
    made wider until it meets one of its lines."""
    text = template.replace(WILDCARD, _ANYTHING)
    spaced = text.removesuffix("…").replace(" ", _ANYTHING)
    for candidate in (text, text + _ANYTHING, _ANYTHING + text, spaced, spaced + _ANYTHING):
        single = _SEVERAL.sub(_ANYTHING, candidate)
        made = line_pattern(single, needs_name=False)
        if isinstance(made, LinePattern) and made.is_met(example):
            return single
    return _SEVERAL.sub(_ANYTHING, text)


def limits(version: str, most_lines: int, most_volumes: int) -> dict[str, Any]:
    """What the app switches its tabs by. How long logs are kept is a matter of size too, so it is
    told that nothing expires."""
    attributes = sorted(STREAM_ATTRIBUTES)
    return {
        "limits": {
            "discover_log_levels": True,
            "discover_service_name": ["service_name"],
            "log_level_fields": ["severity_text"],
            "max_entries_limit_per_query": most_lines,
            "max_line_size_truncate": False,
            "max_query_bytes_read": "0B",
            "max_query_length": "0s",
            "max_query_lookback": "0s",
            "max_query_range": "0s",
            "max_query_series": MOST_SERIES,
            "metric_aggregation_enabled": False,
            "otlp_config": {
                "resource_attributes": {
                    "attributes_config": [{"action": "index_label", "attributes": attributes}]
                }
            },
            "pattern_persistence_enabled": False,
            "query_timeout": f"{MOST_SECONDS:g}s",
            "retention_period": "0s",
            "volume_enabled": True,
            "volume_max_series": most_volumes,
        },
        "pattern_ingester_enabled": True,
        "version": version or "unknown",
    }
