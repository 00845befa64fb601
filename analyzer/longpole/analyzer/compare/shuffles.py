"""What chance alone makes of scores: the sides shuffled within each stratum, many times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from longpole.analyzer.compare.ranks import Floats, Pooled

SHUFFLES = 4_000
# Bytes of one block of shuffled sides.
_BLOCK = 32 * 2**20


def deviations(pooled: Pooled, scores: Floats) -> Floats:
    """One standard deviation, over shuffles, of head's sum of each column of `scores` (a row a
    trace, mean 0 in every stratum)."""
    sizes = np.bincount(pooled.stratum, minlength=pooled.strata)
    heads = np.bincount(pooled.stratum[pooled.is_head], minlength=pooled.strata)
    # A stratum of one trace, or of one side, does not vary.
    factor = heads * (sizes - heads) / np.maximum(1, sizes * (sizes - 1.0))
    result: Floats = np.sqrt(factor[pooled.stratum] @ scores**2)
    return result


def freedom(pooled: Pooled, scores: Floats) -> Floats:
    """How many independent scores each column has, 1 or more: those of strata in which they
    differ, but for the strata's means and the difference itself."""
    is_used = np.zeros((pooled.strata, scores.shape[1]), np.bool_)
    np.logical_or.at(is_used, pooled.stratum, scores != 0)
    sizes = np.bincount(pooled.stratum, minlength=pooled.strata)
    result: Floats = np.maximum(1.0, (sizes - 1.0) @ is_used - 1.0)
    return result


def evened(z: npt.NDArray[Any], degrees: Floats) -> npt.NDArray[Any]:
    """z of columns with few traces on the scale of those with many.

    Among n traces, shuffling never gives z above about the square root of n, so that a complete
    separation of few traces would look like less than it is. z says how scores correlate with
    the sides; this is the normal deviate of that correlation's t (Wallace, 1959).
    """
    degrees = degrees.astype(z.dtype)
    correlation = np.minimum(z**2 / (degrees + 1), 0.9999)
    t_squared = degrees * correlation / (1 - correlation)
    size = (8 * degrees + 1) / (8 * degrees + 3) * np.sqrt(degrees * np.log1p(t_squared / degrees))
    result: npt.NDArray[Any] = np.sign(z) * size
    return result


def shuffled_z(
    pooled: Pooled, scores: Floats, rng: np.random.Generator, shuffles: int = SHUFFLES
) -> Iterator[npt.NDArray[np.float32]]:
    """Blocks of evened z of every column (a row a shuffle), `shuffles` rows in all."""
    scale = deviations(pooled, scores)
    degrees = freedom(pooled, scores)
    standard = (scores / np.where(scale > 0, scale, np.inf)).astype(np.float32)
    rows_of = [
        (rows, int(pooled.is_head[rows].sum()))
        for rows in (np.flatnonzero(pooled.stratum == s) for s in range(pooled.strata))
    ]
    rows_of = [(rows, heads) for rows, heads in rows_of if 0 < heads < rows.size]
    block = max(1, _BLOCK // (4 * max(1, len(pooled.stratum))))
    done = 0
    while done < shuffles:
        count = min(block, shuffles - done)
        sides = np.zeros((count, pooled.stratum.size), np.float32)
        for rows, heads in rows_of:
            keys = rng.random((count, rows.size), np.float32)
            chosen = np.argpartition(keys, heads - 1, axis=1)[:, :heads]
            sides[np.arange(count)[:, None], rows[chosen]] = 1.0
        yield evened(sides @ standard, degrees)
        done += count
