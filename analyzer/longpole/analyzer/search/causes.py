"""Groups by cause: how often each verdict was given, so that thirty traces are one line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from longpole.analyzer.search.sample import Sample, only
from longpole.analyzer.verdict_cause import VerdictCause, cause_of
from longpole.model.ids import trace_id_hex

MOST_EXEMPLARS = 3
UNKNOWN = "none"


@dataclass(slots=True)
class _Group:
    cause: VerdictCause | None
    places: list[int] = field(default_factory=list)


def causes_of(sample: Sample) -> list[dict[str, Any]]:
    """One entry for each cause among the traces of a sample: those where something is unusual
    first, most traces first. `key` narrows a search to the group; `exemplars` are its slowest.
    Traces that have no verdict yet are in the group `none`."""
    groups = _groups(sample)
    durations = sample.numbers("duration_ns")
    shown = []
    for key, group in groups.items():
        own = sorted(group.places, key=lambda place: (-int(durations[place]), place))
        cause = group.cause
        shown.append(
            {
                "key": key,
                "place": cause.place if cause else "",
                "detector": cause.detector if cause else "",
                "failure": (cause.failure.value or None) if cause else None,
                "summary": cause.words if cause else "",
                "count": len(own),
                "share": round(len(own) / sample.traces.num_rows, 6),
                "median_ns": int(durations[own[len(own) // 2]]),
                "max_ns": int(durations[own[0]]),
                "exemplars": [
                    trace_id_hex(sample.ids(place, 1)[0]) for place in own[:MOST_EXEMPLARS]
                ],
            }
        )
    return sorted(
        shown,
        key=lambda one: (
            not one["detector"],
            not one["failure"],
            not one["place"],
            -one["count"],
            one["key"],
        ),
    )


def of_cause(sample: Sample, key: str) -> Sample:
    """The traces of one group alone."""
    group = _groups(sample).get(key)
    return only(sample, group.places if group else [])


def _groups(sample: Sample) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    known: dict[str, VerdictCause | None] = {}
    for place, line in enumerate(sample.traces.column("verdict").to_pylist()):
        if line not in known:
            known[line] = cause_of(line)
        cause = known[line]
        key = cause.key if cause else UNKNOWN
        groups.setdefault(key, _Group(cause)).places.append(place)
    return groups
