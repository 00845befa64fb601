"""Log bursts: a service writes an error again and again that it did not write before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from longpole.analyzer.findings.detector import fingerprint_of
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.findings.window.span_columns import NO_ROW, Ints
from longpole.analyzer.findings.window.window import Window, WindowDetector, WindowFinding
from longpole.analyzer.log_templates import OTHER, WILDCARD, templates_of
from longpole.analyzer.wording import counted, duration_text, named, quoted
from longpole.model.finding import FindingSeverity

IDENTIFIER = "log_burst"
ERROR_LEVEL = 17  # severity numbers from here on are ERROR and FATAL
_BIN_NS = 10_000_000_000
_PARTS = 8  # of the time before a window
_LATE_SHARE = 0.25  # of a window without a past that has to be quiet, for a burst in the rest


@dataclass(frozen=True, slots=True)
class _Burst:
    template: str
    places: Ints  # of its records in `Window.logs`
    before: int


def _look(window: Window, thresholds: Thresholds) -> Iterator[WindowFinding]:
    if window.logs.num_rows < thresholds.log_burst_count:
        return
    services, bodies = (window.logs.column(n).to_pylist() for n in ("service_name", "body"))
    services_before, bodies_before = (
        window.logs_before.column(name).to_pylist() for name in ("service_name", "body")
    )
    texts = [_text(body) for body in (*bodies, *bodies_before)]
    templates = templates_of(texts)
    times_before = window.logs_before.column("time_unix_nano").to_numpy()
    places_before: dict[tuple[str, str], list[int]] = {}
    past = zip(services_before, templates[len(bodies) :], strict=True)
    for place, key in enumerate(past):
        places_before.setdefault(key, []).append(place)
    groups: dict[tuple[str, str], list[int]] = {}
    for place, key in enumerate(zip(services, templates[: len(bodies)], strict=True)):
        groups.setdefault(key, []).append(place)
    times = window.logs.column("time_unix_nano").to_numpy()
    bursts: dict[str, list[_Burst]] = {}
    for (service, template), places in sorted(groups.items()):
        if template == OTHER or len(places) < thresholds.log_burst_count:
            continue
        before = times_before[places_before.get((service, template), [])]
        own = np.array(places, dtype=np.int64)
        if _densest(times[own]) < thresholds.log_burst_count:
            continue
        if _is_new(window, times[own], before, thresholds):
            bursts.setdefault(service, []).append(_Burst(template, own, len(before)))
    for service, found in bursts.items():
        yield _finding(window, service, found)


def _text(body: Any) -> str:
    return body if isinstance(body, str) else ""


def _densest(times: Ints) -> int:
    """The most records within ten seconds (of fixed bins)."""
    _, counts = np.unique(times // _BIN_NS, return_counts=True)
    # A burst may lie across the edge of two bins.
    return int(counts.max() + np.partition(counts, -2)[-2]) if len(counts) > 1 else int(counts[0])


def _is_new(window: Window, times: Ints, before: Ints, thresholds: Thresholds) -> bool:
    if window.before_ns:
        # Of the past its typical part counts: what is wrong may have begun a little before the
        # window did.
        edges = np.linspace(window.begin - window.before_ns, window.begin, _PARTS + 1)
        usual = float(np.median(np.histogram(before, edges)[0])) * _PARTS
        rate = len(times) / window.length_ns
        return rate >= thresholds.log_burst_ratio * usual / window.before_ns
    # Without a past, what was quiet at the beginning of the window is what was before.
    quiet_ns = int(times.min()) - window.begin
    return quiet_ns >= _LATE_SHARE * window.length_ns


def _finding(window: Window, service: str, bursts: list[_Burst]) -> WindowFinding:
    """One for a service: floods of several errors have one cause more often than not."""
    spans = window.spans
    bursts.sort(key=lambda burst: (-len(burst.places), burst.template))
    worst = bursts[0]
    logs_rows = window.logs.column("row").to_numpy()
    rows = logs_rows[np.concatenate([burst.places for burst in bursts])]
    rows = rows[rows != NO_ROW]
    entries = spans.entries()
    at = np.where(entries[rows] != NO_ROW, entries[rows], rows)
    names = Counter(spans.name.of(int(row)) for row in at)
    operation = min(names, key=lambda name: (-names[name], name)) if names else ""
    total = sum(len(burst.places) for burst in bursts)
    times = window.logs.column("time_unix_nano").to_numpy()[worst.places]
    span_ns = max(int(times.max() - times.min()), 1_000_000)
    rate = len(worst.places) / (span_ns / 1e9)
    often = f"{rate:,.0f} times a second" if rate >= 1.5 else f"in {duration_text(span_ns)}"
    was = f"{counted(worst.before, 'record')} before" if worst.before else "never before"
    others = f", and {counted(len(bursts) - 1, 'further pattern')}" if len(bursts) > 1 else ""
    where = f" in {named(operation)}" if operation else ""
    template = quoted(worst.template.replace(WILDCARD, "…"))
    one_each: dict[tuple[int, int], int] = {}
    counted_rows = Counter(int(row) for row in at)
    for row, _ in sorted(counted_rows.items(), key=lambda each: (-each[1], each[0])):
        one_each.setdefault((int(spans.trace[row]), row), row)
    return WindowFinding(
        detector=IDENTIFIER,
        severity=FindingSeverity.WARNING,
        service=service,
        operation=operation,
        reason=f"{named(service)} logs an error{where} {often} ({counted(total, 'record')}, {was})"
        f"{others}: {template}.",
        action=f"Read the log records (`longpole logs`) and mend what fails in {named(service)}; "
        "if nobody needs to know, log it once, not at every attempt.",
        fingerprint=fingerprint_of(IDENTIFIER, service, worst.template),
        rows=tuple(one_each.values()),
    )


DETECTOR = WindowDetector(
    IDENTIFIER,
    "A service floods its logs with an error",
    "`log_burst_count` or more records of level ERROR that come from one statement, within ten "
    "seconds or so, and `log_burst_ratio` times as often as usual in the time before (the median "
    "of its eight parts); without a past, the statement must have been silent in the first "
    "quarter of the window. A warning.",
    _look,
)
