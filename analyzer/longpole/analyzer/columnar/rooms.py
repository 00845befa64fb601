"""Rooms: arrays for compiled loops to fill, side by side in one block of memory.

The first touch of each small page of new memory takes longer than filling it. NumPy asks for huge
pages, but only for 4 MiB and more at once, which many a column of a million spans is not; arrays
that loops make themselves never get them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_LINE = 64  # bytes; arrays begin at multiples
_MANY, _HUGE = 1 << 19, 1 << 22  # bytes


def rooms(*wanted: tuple[int, type[np.generic]]) -> list[npt.NDArray[Any]]:
    """An array of each length and type, not yet filled. What is not touched costs no memory."""
    sizes = [count * np.dtype(kind).itemsize for count, kind in wanted]
    needed = sum(size + _LINE for size in sizes) + _LINE
    block = np.empty(needed if needed < _MANY else max(needed, _HUGE), np.uint8)
    at = -block.ctypes.data % _LINE
    made = []
    for size, (_, kind) in zip(sizes, wanted, strict=True):
        made.append(block[at : at + size].view(kind))
        at += -(-size // _LINE) * _LINE
    return made
