"""RED context: how one span compares with the other runs of its operation.

Stored rows hold duration histograms with fixed bounds, so a percentile is a range: at least the
spans in lower buckets were faster, at most those in its own bucket too. Quantiles are
interpolated within their bucket and approximate.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from longpole.model.columns import RED_BOUNDS_NS, RED_STEP_NS

_LOWS_NS = (0, *RED_BOUNDS_NS)  # of the buckets
_MANY = 1_000  # runs, of which the longest hardly shows in the sum
_FEWEST_BEFORE = 10  # runs, for their rate and their median to mean anything


@dataclass(frozen=True, slots=True)
class Red:
    """Runs of one operation in one stretch: `rate` a second, `error_ratio` from 0 to 1,
    approximate quantiles in nanoseconds (None where they lie beyond the last bound)."""

    count: int
    rate: float
    error_ratio: float
    p50_ns: int | None
    p95_ns: int | None


@dataclass(frozen=True, slots=True)
class RedContext:
    """`now` is what was around the trace, `before` the time before it (None with too few runs
    to compare). `faster_low` to `faster_high` is the share of the `others` that were faster."""

    now: Red
    before: Red | None
    others: int
    faster_low: float
    faster_high: float


def red_context(
    rows: Sequence[Mapping[str, Any]], duration_ns: int, kind: int, around: tuple[int, int]
) -> RedContext | None:
    """The context of a span of that duration and kind. `rows` are those of `red_rows`; steps that
    overlap `around` are now, earlier ones before. None when the only run is this one."""
    same = [row for row in rows if row["kind"] == kind]
    now = [
        row for row in same
        if around[0] < row["step_unix_nano"] + RED_STEP_NS and row["step_unix_nano"] < around[1]
    ]  # fmt: skip
    before = [row for row in same if row["step_unix_nano"] + RED_STEP_NS <= around[0]]
    if not now or sum(row["count"] for row in same) < 2:
        return None
    buckets = _buckets([*now, *before])
    low, high = faster_share(buckets, duration_ns)
    is_enough = sum(row["count"] for row in before) >= _FEWEST_BEFORE
    return RedContext(_red(now), _red(before) if is_enough else None, sum(buckets) - 1, low, high)


def faster_share(buckets: Sequence[int], duration_ns: int) -> tuple[float, float]:
    """The share of the other runs that were surely, and that were perhaps, faster. The run itself
    is one of its bucket."""
    place = bisect_left(RED_BOUNDS_NS, duration_ns)
    others = sum(buckets) - (1 if buckets[place] else 0)
    if others <= 0:
        return 0.0, 1.0
    below = sum(buckets[:place])
    return below / others, (below + max(0, buckets[place] - 1)) / others


def quantile_ns(buckets: Sequence[int], quantile: float, sum_ns: int | None = None) -> int | None:
    """The quantile, evenly spread within its bucket; None beyond the last bound or without runs.
    With the sum of all durations, and up to a thousand runs, never more than the longest can have
    taken, and exact for a single one."""
    total = sum(buckets)
    wanted, seen = quantile * total, 0
    for place, count in enumerate(buckets[:-1]):
        if count and seen + count >= wanted:
            low, high = _LOWS_NS[place], RED_BOUNDS_NS[place]
            spread = round(low + (high - low) * (wanted - seen) / count)
            if sum_ns is None or total > _MANY:
                return spread
            most = sum_ns if total == 1 else min(spread, _longest_ns(buckets, sum_ns))
            return min(max(low, most), high)
        seen += count
    return None


def _longest_ns(buckets: Sequence[int], sum_ns: int) -> int:
    """What is left of the sum for the longest run if all others took as little as they can."""
    least = sum(count * low for count, low in zip(buckets, _LOWS_NS, strict=True))
    top = max(place for place, count in enumerate(buckets) if count)
    return sum_ns - (least - _LOWS_NS[top])


def _red(rows: Sequence[Mapping[str, Any]]) -> Red:
    count = sum(row["count"] for row in rows)
    steps = [row["step_unix_nano"] for row in rows]
    seconds = (max(steps) - min(steps) + RED_STEP_NS) / 1e9
    buckets = _buckets(rows)
    sum_ns = sum(row["duration_sum_ns"] for row in rows)
    return Red(
        count=count,
        rate=count / seconds,
        error_ratio=sum(row["errors"] for row in rows) / count if count else 0.0,
        p50_ns=quantile_ns(buckets, 0.5, sum_ns),
        p95_ns=quantile_ns(buckets, 0.95, sum_ns),
    )


def _buckets(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    return [sum(counts) for counts in zip(*(row["bucket_counts"] for row in rows), strict=True)]
