"""Samples as Prometheus writes them in JSON: `[1732800000.5,"0.25"]`, many at once.

A number is a call in C for a whole row, never one in Python for each sample: orjson writes the
shortest digits of all values of a row, they are split at the commas and put between the times,
which are the same for every row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress

import numpy as np
import orjson

from longpole.analyzer.promql.numbers import sent
from longpole.analyzer.promql.series import Floats, Integers, Labels, Series
from longpole.analyzer.promql.vectors import Vector

_FRACTIONS = [b"" if ms == 0 else b".%03d" % ms for ms in range(1000)]


def vector_entries(vector: Vector, at_ms: int) -> Iterator[bytes]:
    """`{"metric":{…},"value":[t,"v"]}` for each row of a vector of one step."""
    here = np.flatnonzero(vector.present[:, 0])
    stamp = stamps(np.array([at_ms], np.int64))[0]
    for row, text in zip(here.tolist(), texts(vector.values[here, 0]), strict=True):
        metric = orjson.dumps(dict(vector.labels[row]))
        yield b'{"metric":%b,"value":[%b,"%b"]}' % (metric, stamp, text)


def matrix_entries(vector: Vector, times_ms: Integers) -> Iterator[bytes]:
    """`{"metric":{…},"values":[[t,"v"],…]}` for each row that has a value at any step."""
    prefixes = _prefixes(times_ms)
    woven: list[bytes] = [b""] * (2 * len(prefixes))
    woven[::2] = prefixes
    is_full = np.asarray(vector.present.all(axis=1), bool)
    for row, labels in enumerate(vector.labels):
        if is_full[row]:
            woven[1::2] = texts(vector.values[row])
            yield _entry(labels, woven)
            continue
        here = vector.present[row]
        held = texts(vector.values[row][here])
        if held:
            yield _entry(labels, _woven(compress(prefixes, here.tolist()), held))


def series_entries(found: Iterable[Series]) -> Iterator[bytes]:
    """The same for series that have times of their own."""
    for one in found:
        yield _entry(one.labels, _woven(_prefixes(one.times_ms), texts(one.values)))


def scalar(value: float, at_ms: int) -> bytes:
    """`[t,"v"]`."""
    return b'[%b,"%b"]' % (stamps(np.array([at_ms], np.int64))[0], sent(value).encode())


def scalar_entries(values: Floats, times_ms: Integers) -> Iterator[bytes]:
    """A number for each step as the one series without labels."""
    yield _entry((), _woven(_prefixes(times_ms), texts(values)))


def texts(values: Floats) -> list[bytes]:
    """Every value as `numbers.sent` writes it."""
    if not values.size:
        return []
    raw = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
    found = raw.replace(b".0,", b",").split(b",")
    found[-1] = found[-1].removesuffix(b".0")
    # Exponents are written otherwise, and what is no number is null.
    if b"e" in raw or b"n" in raw:
        for place, text in enumerate(found):
            if b"e" in text or b"n" in text:
                found[place] = sent(float(values[place])).encode()
    return found


def stamps(times_ms: Integers) -> list[bytes]:
    """Times in seconds, with three digits after the point or none."""
    size = np.abs(times_ms)
    whole = (size // 1000).tolist()
    fractions = (size % 1000).tolist()
    if times_ms.size and int(times_ms.min()) < 0:
        signs = (times_ms < 0).tolist()
        return [
            b"%b%d%b" % (b"-" if sign else b"", at, _FRACTIONS[ms])
            for sign, at, ms in zip(signs, whole, fractions, strict=True)
        ]
    return [b"%d%b" % (at, _FRACTIONS[ms]) for at, ms in zip(whole, fractions, strict=True)]


def _prefixes(times_ms: Integers) -> list[bytes]:
    """What stands between two values: the end of one pair, and the time of the next."""
    if times_ms.size and not (times_ms % 1000).any():
        # Most steps are whole seconds, which are written and cut in C.
        seconds = orjson.dumps(times_ms // 1000, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
        return (b'"],[%b,"' % seconds.replace(b",", b',"|"],[')).split(b"|")
    return [b'"],[%b,"' % stamp for stamp in stamps(times_ms)]


def _woven(prefixes: Iterable[bytes], values: Sequence[bytes]) -> list[bytes]:
    found: list[bytes] = [b""] * (2 * len(values))
    found[::2] = prefixes
    found[1::2] = values
    return found


def _entry(labels: Labels, woven: list[bytes]) -> bytes:
    # The first prefix ends a pair that is not there.
    return b'{"metric":%b,"values":[%b"]]}' % (orjson.dumps(dict(labels)), b"".join(woven)[3:])
