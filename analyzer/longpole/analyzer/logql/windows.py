"""What a function over time says of the samples of one series, at every step.

A window reaches from `range` before a step (left out) up to the step.

    samples     x   x x    x         x
    window          (────────────]
                                 step
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Times: TypeAlias = npt.NDArray[np.int64]

# These look at lines, or at a number that each line holds (`unwrap`), or at either.
OF_LINES = ("count_over_time", "bytes_over_time", "bytes_rate", "absent_over_time", "rate")
OF_NUMBERS = (
    "sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "first_over_time",
    "last_over_time", "stddev_over_time", "stdvar_over_time", "quantile_over_time", "rate",
    "absent_over_time",
)  # fmt: skip
PER_SECOND = ("rate", "bytes_rate")
# Those of a whole are those of its parts added up.
ADDITIVE = ("count_over_time", "bytes_over_time", "bytes_rate", "rate", "sum_over_time")


def over_time(
    function: str,
    at: Times,
    values: Floats,
    times: Times,
    range_ns: int,
    parameter: float = 0.0,
) -> Floats:
    """One number for each of `times`, NaN where the window is empty. `at` ascends, in nanoseconds
    like `times`; `parameter` is the quantile. Adding up only, rates are the caller's to divide."""
    last = np.searchsorted(at, times, "right")
    first = np.searchsorted(at, times - range_ns, "right")
    found = np.full(len(times), np.nan)
    filled = np.flatnonzero(last > first)
    if not len(filled):
        return found
    first, last = first[filled], last[filled]
    match function:
        case "first_over_time":
            found[filled] = values[first]
        case "last_over_time":
            found[filled] = values[last - 1]
        case "min_over_time":
            found[filled] = _folded(np.minimum, values, first, last)
        case "max_over_time":
            found[filled] = _folded(np.maximum, values, first, last)
        case "avg_over_time":
            found[filled] = _folded(np.add, values, first, last) / (last - first)
        case "stddev_over_time":
            found[filled] = [np.std(values[a:b]) for a, b in zip(first, last, strict=True)]
        case "stdvar_over_time":
            found[filled] = [np.var(values[a:b]) for a, b in zip(first, last, strict=True)]
        case "quantile_over_time":
            found[filled] = [
                _quantile(values[a:b], parameter) for a, b in zip(first, last, strict=True)
            ]
        case _:
            found[filled] = _folded(np.add, values, first, last)
    return found


def _folded(operation: np.ufunc, values: Floats, first: Times, last: Times) -> Floats:
    """Each window by itself: differences of running sums would lose what is small."""
    places = np.stack([first, last], 1).reshape(-1)
    # One more value, since the end of a window may be the end of all.
    folded = operation.reduceat(np.append(values, 0.0), places)[::2]
    return np.asarray(folded, np.float64)


def _quantile(values: Floats, quantile: float) -> float:
    """Between the two nearest, as Prometheus has it; infinite outside of 0 to 1."""
    if np.isnan(quantile):
        return float("nan")
    if quantile < 0:
        return float("-inf")
    if quantile > 1:
        return float("inf")
    return float(np.quantile(values, quantile))
