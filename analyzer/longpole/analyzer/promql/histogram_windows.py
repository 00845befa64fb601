"""Functions of range vectors in which there are native histograms.

Rules are Prometheus' (promql/functions.go, 3.5): most functions want floats only or histograms
only, and leave out a window that holds both; functions of numbers look past histograms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from longpole.analyzer.promql import over_time
from longpole.analyzer.promql.expressions import Expression
from longpole.analyzer.promql.histograms import (
    Hint,
    Histogram,
    Histograms,
    are_equal,
    combined,
    is_reset,
    mean,
)
from longpole.analyzer.promql.notes import Notes
from longpole.analyzer.promql.over_time import FAR
from longpole.analyzer.promql.series import Booleans, Integers, are_histograms, joined_histograms
from longpole.analyzer.promql.vectors import Vector
from longpole.analyzer.promql.windows import Windows

_COUNTS = frozenset({"count_over_time", "present_over_time"})


@dataclass(frozen=True, slots=True)
class Said:
    """Where a function says what is odd about its range."""

    notes: Notes
    about: Expression


def of_range(name: str, w: Windows, said: Said) -> Vector:
    """A function that takes nothing but a range, some samples of which are histograms."""
    if name in _COUNTS:
        return over_time.OF_RANGE[name](w)
    if name in _WITH_HISTOGRAMS:
        return _WITH_HISTOGRAMS[name](w, said)
    return of_floats(w, over_time.OF_RANGE[name](w.floats()), said)


def of_floats(w: Windows, found: Vector, said: Said) -> Vector:
    """What was made of the floats alone; says where histograms stood between them."""
    is_mixed = (w.floats().counts > 0) & (w.only_histograms().counts > 0)
    for row in np.flatnonzero(is_mixed.any(axis=1)):
        said.notes.ignored_in_range(w.labels[row], said.about)
    return found


def _mixed(w: Windows, floats: Integers, histograms: Integers, said: Said) -> Booleans:
    """Windows with both, which are left out."""
    found = (floats > 0) & (histograms > 0)
    for row in np.flatnonzero(found.any(axis=1)):
        said.notes.mixed_samples(w.labels[row], said.about)
    return found


def _each(h: Windows, where: Booleans, work: Callable[[int, int, int, int], Histogram]) -> Vector:
    """`work(row, column, lo, hi)` for chosen windows."""
    assert h.histograms is not None
    found = np.full(h.lo.shape, None, object)
    sizes = np.array([one.size for one in h.histograms.tolist()], np.int64)
    running = np.concatenate(([0], np.cumsum(sizes)))
    for row, column in np.argwhere(where).tolist():
        lo, hi = int(h.lo[row, column]), int(h.hi[row, column])
        h.budget.spend(int(running[hi] - running[lo]))
        made = work(row, column, lo, hi)
        h.budget.make_histogram(made.size)
        found[row, column] = made
    return Vector(h.labels, np.zeros(h.lo.shape), where, found)


def _either(floats: Vector, histograms: Vector, left_out: Booleans) -> Vector:
    """Floats here, histograms there, and nothing where a window held both."""
    return Vector(
        floats.labels,
        floats.values,
        (floats.present | histograms.present) & ~left_out,
        histograms.histograms,
    )


def _resets(h: Windows) -> Booleans:
    """Which histogram counts from anew, compared with the one before it."""
    held = [] if h.histograms is None else h.histograms.tolist()
    pairs = zip(held[1:], held, strict=False)
    return np.array([False, *(is_reset(now, before) for now, before in pairs)], bool)


def _extrapolated(
    name: str, *, is_counter: bool, is_rate: bool
) -> Callable[[Windows, Said], Vector]:
    def run(w: Windows, said: Said) -> Vector:
        f, h = w.floats(), w.only_histograms()
        left_out = _mixed(w, f.counts, h.counts, said)
        wanted = (h.counts > 1) & ~left_out
        held = h.histograms
        assert held is not None
        fell = _resets(h) if is_counter else np.zeros(held.size, bool)
        is_gauge = np.array([one.hint is Hint.GAUGE for one in held.tolist()], bool)
        _say_kinds(h, wanted, is_gauge, said, is_counter=is_counter)
        seconds = w.range_ms / 1000 if is_rate else 1.0

        def grown(row: int, column: int, lo: int, hi: int) -> Histogram:
            found = _growth(held[lo:hi].tolist(), fell[lo:hi], is_counter=is_counter)
            reach = (int(h.ends_ms[column]) - h.range_ms, int(h.ends_ms[column]))
            return found.times(_stretched(h.times_ms[lo:hi], reach) / seconds)

        return _either(over_time.OF_RANGE[name](f), _each(h, wanted, grown), left_out)

    return run


def _growth(held: list[Histogram], fell: Booleans, *, is_counter: bool) -> Histogram:
    """From the first to the last of at least two; what was lost in resets is added."""
    parts = [(1.0, held[-1])]
    # A reset right after the first one makes it of no account, with whatever buckets it had.
    has_first = not fell[1]
    if has_first:
        parts.append((-1.0, held[0]))
    parts += [(1.0, held[place - 1]) for place in np.flatnonzero(fell).tolist() if place > 1]
    seen = held[(0 if has_first else 1) :] if is_counter else [held[0], held[-1]]
    return combined(parts, min(one.schema for one in seen), Hint.GAUGE)


def _stretched(times: Integers, reach: tuple[int, int]) -> float:
    """How much more there is in the whole window than between its first and last sample. Unlike
    floats, histograms are not kept from being below zero at its start."""
    sampled = int(times[-1] - times[0]) / 1000
    typical = sampled / (times.size - 1)
    to_start = int(times[0] - reach[0]) / 1000
    to_end = int(reach[1] - times[-1]) / 1000
    if to_start >= typical * FAR:
        to_start = typical / 2
    if to_end >= typical * FAR:
        to_end = typical / 2
    return (sampled + to_start + to_end) / sampled


def _say_kinds(
    h: Windows, wanted: Booleans, is_gauge: Booleans, said: Said, *, is_counter: bool
) -> None:
    for row in np.flatnonzero(wanted.any(axis=1)):
        here = wanted[row]
        lo, hi = h.lo[row][here], h.hi[row][here]
        if is_counter:
            running = np.concatenate(([0], np.cumsum(is_gauge)))
            if (running[hi] > running[lo]).any():
                said.notes.no_counter(h.labels[row], said.about)
        elif not (is_gauge[lo] & is_gauge[hi - 1]).all():
            said.notes.no_gauge(h.labels[row], said.about)


def _instant(name: str, *, is_rate: bool) -> Callable[[Windows, Said], Vector]:
    def run(w: Windows, said: Said) -> Vector:
        held = w.histograms
        assert held is not None
        is_histogram = np.append(are_histograms(held), False)
        enough = w.counts > 1
        last = is_histogram[np.maximum(w.hi - 1, 0)] & enough
        before = is_histogram[np.maximum(w.hi - 2, 0)] & enough
        left_out, both = last != before, last & before
        for mixed in np.flatnonzero(left_out.any(axis=1)):
            said.notes.mixed_samples(w.labels[mixed], said.about)
        gauges = np.array([one is not None and one.hint is Hint.GAUGE for one in held], bool)
        pairs = replace(w, lo=np.where(both, w.hi - 2, w.lo))
        _say_kinds(pairs, both, gauges, said, is_counter=is_rate)
        found = np.full(w.lo.shape, None, object)
        for row, column in np.argwhere(both).tolist():
            place: int = w.hi[row, column].item() - 1
            now, earlier = held[place], held[place - 1]
            w.budget.make_histogram(now.size + earlier.size)
            if is_rate and is_reset(now, earlier):
                change = replace(now, hint=Hint.GAUGE)
            else:
                change = combined([(1.0, now), (-1.0, earlier)], hint=Hint.GAUGE)
            passed = int(w.times_ms[place] - w.times_ms[place - 1]) / 1000
            found[row, column] = change.divided(passed) if is_rate else change
        floats = over_time.OF_RANGE[name](w)
        return Vector(w.labels, floats.values, enough & ~left_out, found)

    return run


def _summed(name: str) -> Callable[[Windows, Said], Vector]:
    def run(w: Windows, said: Said) -> Vector:
        f, h = w.floats(), w.only_histograms()
        left_out = _mixed(w, f.counts, h.counts, said)
        held = h.histograms
        assert held is not None

        def total(row: int, column: int, lo: int, hi: int) -> Histogram:
            chosen: list[Histogram] = held[lo:hi].tolist()
            if name == "avg_over_time":
                return mean(chosen)
            return combined([(1.0, one) for one in chosen])

        wanted = (h.counts > 0) & ~left_out
        return _either(over_time.OF_RANGE[name](f), _each(h, wanted, total), left_out)

    return run


def _latest(w: Windows, said: Said) -> Vector:
    floats = over_time.OF_RANGE["last_over_time"](w)
    return replace(floats, histograms=_at(w, w.hi - 1))


def _at(w: Windows, places: Integers) -> Histograms:
    assert w.histograms is not None
    held = joined_histograms([(w.histograms, w.values.shape), (None, (1,))])
    assert held is not None
    return held[np.clip(places, 0, w.values.size)]


def _moves(
    name: str, differs: Callable[[Histogram, Histogram], bool]
) -> Callable[[Windows, Said], Vector]:
    """`changes` and `resets`: a float after a histogram is one of them, and the other way."""

    def run(w: Windows, said: Said) -> Vector:
        assert w.histograms is not None
        held = w.histograms.tolist()
        flags = over_time.changed(w) if name == "changes" else over_time.fell(w)
        for place in range(1, len(held)):
            now, before = held[place], held[place - 1]
            if now is not None and before is not None:
                flags[place] = differs(now, before)
            elif now is not before:
                flags[place] = True
        return over_time.moves(w, flags)

    return run


_WITH_HISTOGRAMS: dict[str, Callable[[Windows, Said], Vector]] = {
    "avg_over_time": _summed("avg_over_time"),
    "changes": _moves("changes", lambda now, before: not are_equal(now, before)),
    "delta": _extrapolated("delta", is_counter=False, is_rate=False),
    "idelta": _instant("idelta", is_rate=False),
    "increase": _extrapolated("increase", is_counter=True, is_rate=False),
    "irate": _instant("irate", is_rate=True),
    "last_over_time": _latest,
    "rate": _extrapolated("rate", is_counter=True, is_rate=True),
    "resets": _moves("resets", is_reset),
    "sum_over_time": _summed("sum_over_time"),
}


def unsure_counters(name: str, w: Windows, found: Vector, said: Said) -> None:
    """Says which metrics of floats do not look like counters by their names."""
    if name not in ("rate", "increase"):
        return
    odd = [
        (row, metric)
        for row, labels in enumerate(w.labels)
        if (metric := _metric(labels)) and not metric.endswith(_OF_COUNTERS)
    ]
    if odd:
        present = np.asarray(found.floats().present.any(axis=1), bool)
        for metric in {metric for row, metric in odd if present[row]}:
            said.notes.hardly_a_counter(metric, said.about)


_OF_COUNTERS = ("_total", "_sum", "_count", "_bucket")


def _metric(labels: tuple[tuple[str, str], ...]) -> str:
    return next((value for name, value in labels if name == "__name__"), "")
