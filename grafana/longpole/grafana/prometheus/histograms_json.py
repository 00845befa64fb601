"""Native histograms as Prometheus writes them in JSON: `{"count":"3","sum":"4.5","buckets":[…]}`.

A bucket is `[boundaries,"lower","upper","count"]`; boundaries say which ends belong to it: 0 the
upper one, 1 the lower one, 3 both. Empty buckets are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import orjson

from longpole.analyzer.promql.histograms import Histogram, Histograms, ordered
from longpole.analyzer.promql.numbers import sent
from longpole.analyzer.promql.series import Integers, Series, are_histograms
from longpole.analyzer.promql.vectors import Vector
from longpole.grafana.prometheus import samples_json
from longpole.grafana.prometheus.samples_json import stamps, texts


def vector_entries(vector: Vector, at_ms: int) -> Iterator[bytes]:
    """As `samples_json.vector_entries`, with `"histogram":[t,{…}]` for what is one."""
    if vector.histograms is None:
        yield from samples_json.vector_entries(vector, at_ms)
        return
    stamp = stamps(np.array([at_ms], np.int64))[0]
    for row in np.flatnonzero(vector.present[:, 0]).tolist():
        held = vector.histograms[row, 0]
        if held is None:
            yield from samples_json.vector_entries(vector.take([row]).floats(), at_ms)
        else:
            metric = orjson.dumps(dict(vector.labels[row]))
            yield b'{"metric":%b,"histogram":[%b,%b]}' % (metric, stamp, histogram(held))


def matrix_entries(vector: Vector, times_ms: Integers) -> Iterator[bytes]:
    """As `samples_json.matrix_entries`, with `"histograms":[[t,{…}],…]` after the floats."""
    if vector.histograms is None:
        yield from samples_json.matrix_entries(vector, times_ms)
        return
    for row, labels in enumerate(vector.labels):
        one = Series(labels, times_ms, vector.values[row], vector.histograms[row])
        yield from series_entries([one.part(vector.present[row])])


def series_entries(found: Iterable[Series]) -> Iterator[bytes]:
    """The same for series that have times of their own."""
    for one in found:
        if one.histograms is None:
            yield from samples_json.series_entries([one])
            continue
        are_held = are_histograms(one.histograms)
        pieces = [b'{"metric":%b' % orjson.dumps(dict(one.labels))]
        if not are_held.all():
            floats = Series(one.labels, one.times_ms[~are_held], one.values[~are_held])
            pieces = [next(samples_json.series_entries([floats]))[:-1]]
        if are_held.any():
            held = _pairs(one.histograms[are_held], one.times_ms[are_held])
            pieces.append(b',"histograms":[%b]' % held)
        if one.times_ms.size:
            yield b"".join([*pieces, b"}"])


def _pairs(held: Histograms, times_ms: Integers) -> bytes:
    told = zip(stamps(times_ms), held.tolist(), strict=True)
    return b",".join(b"[%b,%b]" % (stamp, histogram(one)) for stamp, one in told)


def histogram(held: Histogram) -> bytes:
    """One value."""
    found = b'{"count":"%b","sum":"%b"' % (sent(held.count).encode(), sent(held.total).encode())
    buckets = ordered(held)
    if not buckets.counts.size:
        return found + b"}"
    ends = np.where(buckets.lower < 0, 1, 0)
    if held.zero_count > 0:
        ends[held.negative.at.size] = 3
    rows = zip(
        ends.tolist(), texts(buckets.lower), texts(buckets.upper), texts(buckets.counts),
        strict=True,
    )  # fmt: skip
    return found + b',"buckets":[%b]}' % b",".join(b'[%d,"%b","%b","%b"]' % row for row in rows)
