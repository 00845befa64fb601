"""Attributes of the spans of an operation, and of roots, as predicates over traces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from longpole.analyzer.compare.attributes import FEWEST_TRACES, Predicate
from longpole.analyzer.compare.sample import Operation
from longpole.model.ids import join_trace_id
from longpole.storage.ports import TraceReader

# So many keys and values are looked at; the rest is left out, most common first.
MOST_KEYS = 150
MOST_VALUES = 20
# Text that differs in so many of the traces that have it names things: it is an id.
UNIQUE_SHARE = 0.5
NUMERIC = ("BIGINT", "DOUBLE", "INTEGER", "HUGEINT")
THRESHOLDS = (0.25, 0.5, 0.75, 0.9)
FEWEST_NUMBERS = 8
TRACES_PER_READ = 250


@dataclass(frozen=True, slots=True)
class Values:
    """The distinct values of each attribute in one trace: (where, key) to texts."""

    of: Mapping[tuple[str, str], frozenset[str]]


def attribute_values(
    reader: TraceReader, trace_ids: Sequence[int], keys: Sequence[str], operation: Operation
) -> dict[int, Values]:
    """What spans of the operation, and spans without a parent, say in each of these traces; a
    trace without such a span, or that expired, is missing or has nothing."""
    found: dict[int, dict[tuple[str, str], set[str]]] = {}
    for begin in range(0, len(trace_ids), TRACES_PER_READ):
        whole = reader.whole_traces(trace_ids[begin : begin + TRACES_PER_READ], keys)
        _add(found, whole.spans, keys, operation)
    return {
        trace_id: Values({place: frozenset(texts) for place, texts in of.items()})
        for trace_id, of in found.items()
    }


def _add(
    found: dict[int, dict[tuple[str, str], set[str]]],
    spans: pa.Table,
    keys: Sequence[str],
    operation: Operation,
) -> None:
    columns = ("trace_hi", "trace_lo", "service_name", "name", "parent_span_id")
    rows = zip(*(spans.column(name).to_pylist() for name in columns), strict=True)
    wanted: list[tuple[int, int, str]] = []
    for row, (hi, lo, service, name, parent) in enumerate(rows):
        trace_id = join_trace_id(hi, lo)
        if (service, name) == operation:
            wanted.append((row, trace_id, "operation"))
        elif not parent:
            wanted.append((row, trace_id, "root"))
    for _, trace_id, _ in wanted:
        found.setdefault(trace_id, {})
    places = pa.array([row for row, _, _ in wanted], pa.int64())
    for key in keys:
        texts = spans.column(key).take(places)
        if texts.null_count == len(texts):
            continue
        for text, (_, trace_id, where) in zip(texts.to_pylist(), wanted, strict=True):
            if text is not None:
                found[trace_id].setdefault((where, key), set()).add(text)


def predicates(
    base: Sequence[Values | None], head: Sequence[Values | None], types: Mapping[str, str]
) -> list[Predicate]:
    """Everything worth asking of the traces of both sides (None: nothing known of that trace).

    `types` has the SQL type of every key; numbers with many values are cut at quantiles.
    """
    places: Counter[tuple[str, str]] = Counter()
    for one in (*base, *head):
        if one is not None:
            places.update(one.of.keys())
    found: list[Predicate] = []
    for (where, key), bearing in sorted(places.items(), key=lambda item: (-item[1], item[0])):
        if bearing < FEWEST_TRACES:
            continue
        texts = [
            [frozenset() if one is None else one.of.get((where, key), frozenset()) for one in side]
            for side in (base, head)
        ]
        counts = Counter(text for side in texts for one in side for text in one)
        if types.get(key) in NUMERIC and len(counts) > FEWEST_NUMBERS:
            found += _thresholds(where, key, texts[0], texts[1])
        elif len(counts) <= UNIQUE_SHARE * bearing:
            found += [
                _holding(where, key, "=", text, texts[0], texts[1])
                for text, _ in sorted(counts.items(), key=lambda i: (-i[1], i[0]))[:MOST_VALUES]
            ]
    return found


def _holding(
    where: str,
    key: str,
    comparison: str,
    value: str,
    base: Sequence[frozenset[str]],
    head: Sequence[frozenset[str]],
) -> Predicate:
    return Predicate(
        key,
        comparison,
        value,
        where,
        np.array([value in texts for texts in base], np.bool_),
        np.array([value in texts for texts in head], np.bool_),
    )


def _thresholds(
    where: str, key: str, base: Sequence[frozenset[str]], head: Sequence[frozenset[str]]
) -> list[Predicate]:
    """`key >= number` at quantiles of the highest number of each trace."""
    highest = [np.array([_highest(texts) for texts in side], np.float64) for side in (base, head)]
    known = np.concatenate(highest)
    known = known[~np.isnan(known)]
    if not known.size:
        return []
    bounds = sorted(set(np.quantile(known, THRESHOLDS, method="higher").tolist()))
    with np.errstate(invalid="ignore"):
        return [
            Predicate(key, ">=", f"{bound:.15g}", where, highest[0] >= bound, highest[1] >= bound)
            for bound in bounds
        ]


def _highest(texts: frozenset[str]) -> float:
    numbers = []
    for text in texts:
        try:
            numbers.append(float(text))
        except ValueError:
            continue
    return max((n for n in numbers if np.isfinite(n)), default=float("nan"))
