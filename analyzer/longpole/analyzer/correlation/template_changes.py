"""Template changes: which log patterns are new, more frequent, less frequent or gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

from longpole.analyzer.correlation.log_lines import LogLine
from longpole.analyzer.log_templates import templates_of

_LEAST_RATIO = 2.0
_LEAST_Z = 3.0


class TemplateState(StrEnum):
    """How often a pattern comes, compared with the baseline."""

    NEW = "new"
    MORE = "more"
    SAME = "same"
    LESS = "less"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Records of one service that come from one statement.

    `rate` and `baseline_rate` are records per unit of exposure. `z` says how surely the rate
    differs (above 0: more). `example` is the first record, of the baseline for one that is gone;
    its time is when the pattern was first seen. `severity` is the highest; `levels` counts the
    records of each level, the baseline's for a pattern that is gone.
    """

    template: str
    service: str
    severity: int
    count: int
    baseline_count: int
    rate: float
    baseline_rate: float
    z: float
    state: TemplateState
    example: LogLine
    levels: Mapping[str, int]

    @property
    def excess(self) -> float:
        """Records per unit of exposure beyond the baseline; below 0 for fewer."""
        return self.rate - self.baseline_rate


def patterns_of(
    lines: Sequence[LogLine],
    baseline: Sequence[LogLine],
    exposure: Mapping[str, float],
    baseline_exposure: Mapping[str, float],
) -> list[Pattern]:
    """Every pattern of both, most records first.

    Exposures are what rates are taken by, for each service (spans, or minutes); 0 or absent
    means that there is nothing to compare, and then the state is `same`. The order of lines does
    not matter. A pattern is `new` or `gone` when it has no records on the other side, `more` and
    `less` when the rate is at least doubled or halved by more than chance.
    """
    both = [*lines, *baseline]
    templates = templates_of([line.body for line in both])
    counts: Counter[tuple[str, str]] = Counter()
    before: Counter[tuple[str, str]] = Counter()
    severity: dict[tuple[str, str], int] = {}
    levels: dict[tuple[str, str], tuple[Counter[str], Counter[str]]] = {}
    first: dict[tuple[str, str], LogLine] = {}
    for place, (line, template) in enumerate(zip(both, templates, strict=True)):
        key = (line.service, template)
        is_now = place < len(lines)
        (counts if is_now else before)[key] += 1
        levels.setdefault(key, (Counter(), Counter()))[is_now][line.level] += 1
        severity[key] = max(severity.get(key, 0), line.severity)
        known = first.get(key)
        if known is None or (_sort_key(line) < _sort_key(known) and (is_now or not counts[key])):
            first[key] = line
    found = []
    for key in counts.keys() | before.keys():
        service, template = key
        now, was = exposure.get(service, 0.0), baseline_exposure.get(service, 0.0)
        z = rate_z(counts[key], now, before[key], was)
        rate = counts[key] / now if now > 0 else 0.0
        baseline_rate = before[key] / was if was > 0 else 0.0
        found.append(
            Pattern(
                template, service, severity[key], counts[key], before[key], rate, baseline_rate, z,
                _state(counts[key], now, before[key], was, z), first[key],
                levels[key][1] or levels[key][0],
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: (-one.count, -one.baseline_count, one.service,
                                          one.template))  # fmt: skip


def rate_z(count: float, exposure: float, count_before: float, exposure_before: float) -> float:
    """How surely two rates of counted things differ: the variance-stabilised difference of two
    Poisson counts (Huffman, "An improved approximate two-sample Poisson test", 1984). Above 0
    when the first is higher; 0 without exposure on either side."""
    if exposure <= 0 or exposure_before <= 0:
        return 0.0
    ratio = exposure / exposure_before
    return 2 * (sqrt(count + 0.375) - sqrt((count_before + 0.375) * ratio)) / sqrt(1 + ratio)


def _sort_key(line: LogLine) -> tuple[int, str, int, int, int, str, tuple[tuple[str, str], ...]]:
    return (
        line.time_unix_nano,
        line.body,
        line.trace_id,
        line.span_id,
        line.severity_number,
        line.severity_text,
        line.instance,
    )


def _state(count: int, now: float, before: int, was: float, z: float) -> TemplateState:
    if now <= 0 or was <= 0:
        return TemplateState.SAME
    if not before:
        return TemplateState.NEW
    if not count:
        return TemplateState.GONE
    rate, baseline_rate = count / now, before / was
    if z >= _LEAST_Z and rate >= _LEAST_RATIO * baseline_rate:
        return TemplateState.MORE
    if z <= -_LEAST_Z and rate * _LEAST_RATIO <= baseline_rate:
        return TemplateState.LESS
    return TemplateState.SAME
