"""Versions: a newer version of a service is slower, or fails more, than the one beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from longpole.analyzer.findings.detector import fingerprint_of
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.findings.window.span_columns import Ints, SpanColumns
from longpole.analyzer.findings.window.statistics import chance_of_greater, chance_of_more
from longpole.analyzer.findings.window.window import Window, WindowDetector, WindowFinding
from longpole.analyzer.wording import counted, duration_text, named, share_text
from longpole.model.finding import FindingSeverity
from longpole.model.span import StatusCode

IDENTIFIER = "version_regression"
_VERSION = ("service.version",)
_PART = re.compile(r"\d{1,9}|[A-Za-z]+")
_LONGEST_VERSION = 60

_Order: TypeAlias = tuple[tuple[int, int, str], ...]


def version_order(text: str) -> _Order | None:
    """A key by which versions sort as people count them: 1.10 after 1.9, 1.5.0 after 1.5.0-rc1.
    None for what has no number first, like a hash of a commit."""
    parts = _PART.findall(text[:_LONGEST_VERSION].lstrip("vV"))
    if not parts or not parts[0].isdigit() or ("." not in text and len(text) > 6):
        return None
    key = [(1, int(part), "") if part.isdigit() else (-1, 0, part) for part in parts]
    return (*key, (0, 0, ""))


def _look(window: Window, thresholds: Thresholds) -> Iterator[WindowFinding]:
    spans = window.spans
    versions = spans.words(*_VERSION)
    if len(versions.texts) < 2:
        return
    rows = np.flatnonzero(spans.is_inside & spans.is_entry & (versions.codes >= 0))
    keys = spans.service.codes[rows] * len(spans.name.texts) + spans.name.codes[rows]
    order = np.argsort(keys, kind="stable")
    for same in np.split(rows[order], np.flatnonzero(np.diff(keys[order])) + 1):
        codes = np.unique(versions.codes[same])
        if len(codes) < 2:
            continue
        by_version = {versions.texts[c]: same[versions.codes[same] == c] for c in codes}
        ordered = _oldest_first(window, by_version)
        if ordered is None:
            continue
        newest = ordered[-1]
        old = max(ordered[:-1], key=lambda version: len(by_version[version]))
        finding = _compared(spans, (old, newest), (by_version[old], by_version[newest]), thresholds)
        if finding is not None:
            yield finding


def _oldest_first(window: Window, by_version: dict[str, Ints]) -> list[str] | None:
    """The versions in their order: by their numbers, else by when each was seen first, if one
    of them is new in this window."""
    orders = {version: version_order(version) for version in by_version}
    if all(order is not None for order in orders.values()):
        ordered = sorted(by_version, key=lambda version: (orders[version] or (), version))
        is_clear = len(set(orders.values())) == len(orders)
        return ordered if is_clear else None
    if not window.before_ns:
        return None
    known = window.before.words(*_VERSION).texts
    fresh = [version for version in by_version if version not in known]
    if len(fresh) != 1 or len(fresh) == len(by_version):
        return None
    return [*sorted(set(by_version) - set(fresh)), *fresh]


def _compared(
    spans: SpanColumns, names: tuple[str, str], rows: tuple[Ints, Ints], thresholds: Thresholds
) -> WindowFinding | None:
    old, new = rows
    least = thresholds.version_least_spans
    if len(old) < least or len(new) < least:
        return None
    durations = spans.durations
    was, now = (int(np.median(durations[part])) for part in (old, new))
    is_slower = (
        now - was >= thresholds.version_slower_ns
        and now >= thresholds.version_slower_ratio * was
        and chance_of_greater(durations[new], durations[old]) < thresholds.version_chance
    )
    failed_old, failed_new = (
        int((spans.status[part] == StatusCode.ERROR).sum()) for part in (old, new)
    )
    more = failed_new / len(new) - failed_old / len(old)
    fails_more = (
        more >= thresholds.version_error_share
        and chance_of_more(failed_new, len(new), failed_old, len(old)) < thresholds.version_chance
    )
    if not is_slower and not fails_more:
        return None
    first = int(new[0])
    service, operation = spans.service.of(first), spans.name.of(first)
    told = []
    if is_slower:
        told.append(f"takes {duration_text(now)} (median) instead of {duration_text(was)}")
    if fails_more or (is_slower and failed_new and more > 0):
        told.append(
            f"fails {share_text(failed_new / len(new))} of its requests instead of "
            f"{share_text(failed_old / len(old))}"
        )
    excess = np.maximum(durations[new] - was, 0) if is_slower else np.zeros(len(new), np.int64)
    worst = np.lexsort((new, -excess))
    return WindowFinding(
        detector=IDENTIFIER,
        severity=FindingSeverity.WARNING,
        service=service,
        operation=operation,
        reason=f"Version {named(names[1])} of {named(service)} {' and '.join(told)} in version "
        f"{named(names[0])} at the same time ({counted(len(new), 'request')} against "
        f"{len(old)} for {named(operation)}).",
        action=f"Take version {named(names[1])} of {named(service)} back (or stop sending it "
        "traffic), then compare its traces with those of the old version.",
        fingerprint=fingerprint_of(IDENTIFIER, service, operation, names[1]),
        rows=tuple(int(row) for row in new[worst]),
        excess_ns=tuple(int(ns) for ns in excess[worst]),
    )


DETECTOR = WindowDetector(
    IDENTIFIER,
    "A new version is worse than the old one",
    "Of one operation, `version_least_spans` or more requests went to each of two "
    "`service.version`s, and the newer one (by its numbers, else the one first seen in this "
    "window) takes `version_slower_ns` and `version_slower_ratio` times as long (medians; rank "
    "test of Mann and Whitney), or fails `version_error_share` more of its requests (Fisher's "
    "exact test), by chance with less than `version_chance`. A warning.",
    _look,
)
