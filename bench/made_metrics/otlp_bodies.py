"""A fleet's samples as OTLP requests, written column by column: a message for each of ten million
points would take longer than everything that is measured.

Field numbers are those of opentelemetry/proto/metrics/v1/metrics.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from bench.made_metrics.fleet import BOUNDS, Fleet, Instance
from numpy.typing import NDArray

_CUMULATIVE = b"\x10\x02"
_MONOTONIC = b"\x18\x01"


def bodies(fleet: Fleet, steps_at_once: int, instances_at_once: int) -> Iterator[bytes]:
    """Requests in order of time, each with some steps of some instances."""
    for begin in range(0, fleet.size, steps_at_once):
        part = slice(begin, begin + steps_at_once)
        times = fleet.times_ms[part]
        for first in range(0, fleet.instances, instances_at_once):
            chosen = fleet.made[first : first + instances_at_once]
            yield b"".join(_field(1, _resource_metrics(one, part, times)) for one in chosen)


def _resource_metrics(one: Instance, part: slice, times_ms: NDArray[np.int64]) -> bytes:
    resource = _attributes(1, {"service.name": one.job, "service.instance.id": one.name})
    stamps = _stamps(one, part, times_ms)
    points = b"".join(
        _points([*stamps, (b"\x21", values[part], "<f8")], _attributes(7, one.route(place)))
        for place, values in enumerate(one.calls)
    )
    calls = _field(1, b"calls") + _field(7, points + _CUMULATIVE + _MONOTONIC)
    latency = _field(1, b"latency") + _field(3, b"s")
    latency += _field(9, _histogram(one, part, stamps) + _CUMULATIVE)
    return _field(1, resource) + _field(2, _field(2, calls) + _field(2, latency))


_Column = tuple[bytes, NDArray[np.generic], str]


def _stamps(one: Instance, part: slice, times_ms: NDArray[np.int64]) -> list[_Column]:
    return [
        (b"\x11", one.starts_ms[part] * 1_000_000, "<u8"),
        (b"\x19", times_ms * 1_000_000, "<u8"),
    ]


def _histogram(one: Instance, part: slice, stamps: Sequence[_Column]) -> bytes:
    buckets = one.buckets[:, part]
    counts = buckets.astype(np.uint64)
    bounds = _field(7, np.array(BOUNDS).tobytes())
    columns: list[_Column] = [
        *stamps,
        (b"\x21", counts.sum(axis=0), "<u8"),
        (b"\x29", one.sums[part], "<f8"),
        (b"\x32" + _varint(8 * len(counts)), counts[0], "<u8"),
        *((b"", row, "<u8") for row in counts[1:]),
    ]
    return _points(columns, bounds)


def _points(columns: Sequence[_Column], tail: bytes) -> bytes:
    """Field 1 for each row: tags and numbers of fixed width, then what all rows share."""
    layout: list[tuple[str, str]] = [("head", "S0")]
    for place, (tag, _, kind) in enumerate(columns):
        if tag:
            layout.append((f"tag{place}", f"V{len(tag)}"))
        layout.append((f"value{place}", kind))
    width = sum(np.dtype(kind).itemsize for _, kind in layout[1:]) + len(tail)
    head = b"\x0a" + _varint(width)
    layout[0] = ("head", f"V{len(head)}")
    if tail:
        layout.append(("tail", f"V{len(tail)}"))
    rows = np.empty(len(columns[0][1]), np.dtype(layout))
    rows["head"] = np.void(head)
    for place, (tag, values, _) in enumerate(columns):
        if tag:
            rows[f"tag{place}"] = np.void(tag)
        rows[f"value{place}"] = values
    if tail:
        rows["tail"] = np.void(tail)
    return rows.tobytes()


def _attributes(number: int, values: Mapping[str, str]) -> bytes:
    return b"".join(
        _field(number, _field(1, key.encode()) + _field(2, _field(1, value.encode())))
        for key, value in values.items()
    )


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
