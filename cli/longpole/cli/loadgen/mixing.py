"""Numbers that look random, never repeat, and can be turned back into what they came from.

SplitMix64 (Steele, Lea and Flood, 2014) is a bijection of 64-bit numbers, so
ids made of counters are distinct by construction, and a check needs no list of what was sent.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

U64: TypeAlias = npt.NDArray[np.uint64]

_GAMMA, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_GAMMA_INVERSE = np.uint64(pow(_GAMMA, -1, 2**64))
_FIRST_INVERSE = np.uint64(pow(_FIRST, -1, 2**64))
_SECOND_INVERSE = np.uint64(pow(_SECOND, -1, 2**64))


def mixed(counters: U64) -> U64:
    """One number for each counter; 0 only for 0."""
    x = counters * np.uint64(_GAMMA)
    x = x ^ (x >> np.uint64(30))
    x = x * np.uint64(_FIRST)
    x = x ^ (x >> np.uint64(27))
    x = x * np.uint64(_SECOND)
    return np.asarray(x ^ (x >> np.uint64(31)), np.uint64)


def unmixed(numbers: U64) -> U64:
    """The inverse of `mixed`."""
    x = _unshifted(numbers, 31) * _SECOND_INVERSE
    x = _unshifted(x, 27) * _FIRST_INVERSE
    return np.asarray(_unshifted(x, 30) * _GAMMA_INVERSE, np.uint64)


def _unshifted(numbers: U64, bits: int) -> U64:
    """The inverse of x ^ (x >> bits): each step has `bits` more of the upper bits right."""
    x = numbers
    for _ in range(64 // bits):
        x = numbers ^ (x >> np.uint64(bits))
    return x
