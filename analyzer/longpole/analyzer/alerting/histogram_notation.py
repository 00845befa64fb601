"""The notation of native histograms in rule tests: `{{schema:1 sum:3 count:2 buckets:[1 1]}}`.

schema  count  sum             z_bucket, z_bucket_w     count and width of the zero bucket
buckets:[…], offset            n_buckets:[…], n_offset  counts from the bucket of that index on
counter_reset_hint             unknown, reset, not_reset or gauge

What is left out is 0. Bounds of one's own (`custom_values`) are not supported.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from longpole.analyzer.promql.histogram_values import short
from longpole.analyzer.promql.histograms import (
    LEAST_SCHEMA,
    MOST_SCHEMA,
    Buckets,
    Hint,
    Histogram,
)

MOST_BUCKETS = 100_000
_FIELD = re.compile(r"\s*([a-z_]+):(\[[^\]]*\]|[^\s\]]+)")
# Prometheus' number for buckets with bounds that are listed.
CUSTOM_SCHEMA = -53
_NO_OWN_BOUNDS = (
    f"bounds of one's own (custom_values, schema {CUSTOM_SCHEMA}) are not supported: write the"
    " histogram as its classic series, `_bucket`, `_sum` and `_count`"
)
_NUMBERS = ("schema", "count", "sum", "z_bucket", "z_bucket_w", "offset", "n_offset")
_LISTS = ("buckets", "n_buckets")


def histogram_of(text: str, number: Callable[[str], float]) -> Histogram:
    """What `{{…}}` says; `number` reads one number. Raises ValueError."""
    fields: dict[str, str] = {}
    body, at = text[2:-2], 0
    while body[at:].strip():
        match = _FIELD.match(body, at)
        if match is None:
            raise ValueError(f"unexpected {body[at : at + 40]!r} in a native histogram")
        if match[1] in fields:
            raise ValueError(f"{match[1]} is given twice in a native histogram")
        if match[1] == "custom_values":
            raise ValueError(_NO_OWN_BOUNDS)
        if match[1] not in (*_NUMBERS, *_LISTS, "counter_reset_hint"):
            raise ValueError(f"native histograms have no {match[1][:40]!r} here")
        fields[match[1]] = match[2]
        at = match.end()

    def counts(name: str) -> list[float]:
        found = fields.get(name, "[]")
        if not found.startswith("["):
            raise ValueError(f"{name} is a list in brackets")
        return [number(one) for one in found[1:-1].split()]

    values = {name: number(fields.get(name, "0")) for name in _NUMBERS}
    schema = values["schema"]
    if schema == CUSTOM_SCHEMA:
        raise ValueError(_NO_OWN_BOUNDS)
    if schema != int(schema) or not LEAST_SCHEMA <= schema <= MOST_SCHEMA:
        raise ValueError(f"the schema {schema:g} is not from {LEAST_SCHEMA} to {MOST_SCHEMA}")
    hint = fields.get("counter_reset_hint", Hint.UNKNOWN)
    if hint not in list(Hint):
        raise ValueError(f"unknown counter_reset_hint {hint[:40]!r}")
    return Histogram(
        int(schema), values["z_bucket_w"], values["z_bucket"], values["count"], values["sum"],
        _side(counts("buckets"), values["offset"]), _side(counts("n_buckets"), values["n_offset"]),
        Hint(hint),
    )  # fmt: skip


def _side(counts: list[float], offset: float) -> Buckets:
    if len(counts) > MOST_BUCKETS or offset != int(offset) or abs(offset) > 2**31:
        raise ValueError("too many buckets, or an offset that is no whole number")
    return Buckets.of(int(offset) + np.arange(len(counts), dtype=np.int64), np.array(counts, float))


def noted(held: Histogram) -> str:
    """A histogram in this notation."""
    pieces = [f"schema:{held.schema}"] if held.schema else []
    numbers = (
        ("count", held.count), ("sum", held.total), ("z_bucket", held.zero_count),
        ("z_bucket_w", held.zero_threshold),
    )  # fmt: skip
    pieces += [f"{name}:{short(value)}" for name, value in numbers if value != 0]
    if held.hint is not Hint.UNKNOWN:
        pieces.append(f"counter_reset_hint:{held.hint}")
    for name, offset, side in (("buckets", "offset", held.positive),
                               ("n_buckets", "n_offset", held.negative)):  # fmt: skip
        if side.at.size:
            first, last = int(side.at[0]), int(side.at[-1])
            if first:
                pieces.append(f"{offset}:{first}")
            dense = np.zeros(min(last - first + 1, MOST_BUCKETS))
            dense[(side.at - first)[side.at - first < dense.size]] = side.counts[: dense.size]
            pieces.append(f"{name}:[{' '.join(map(short, dense.tolist()))}]")
    return "{{" + " ".join(pieces) + "}}"
