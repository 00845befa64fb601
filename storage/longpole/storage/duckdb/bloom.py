"""A Bloom filter of trace ids, small enough to keep one per segment in memory."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BITS_PER_ID = 10
_PROBES = 7
_ALL = (1 << 64) - 1
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Bloom:
    """Bits for a set of 128-bit ids; no false negatives, about 1 % false positives.

    Double hashing after Kirsch and Mitzenmacher, "Less hashing, same performance" (2006).
    Trace ids may be sequential or share a half, so both halves are mixed first.
    """

    bits: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, hi: npt.NDArray[np.uint64], lo: npt.NDArray[np.uint64]) -> Bloom:
        """The filter of these ids (repeats are harmless); empty input matches nothing."""
        count = max(64, int(hi.size) * BITS_PER_ID)
        size = 1 << (count - 1).bit_length()
        bits = np.zeros(size // 8, dtype=np.uint8)
        for position in _positions(hi, lo, size):
            np.bitwise_or.at(bits, position >> np.uint64(3), _bit(position))
        return cls(bits)

    @classmethod
    def from_bytes(cls, data: bytes) -> Bloom:
        """The inverse of `to_bytes`."""
        return cls(np.frombuffer(data, dtype=np.uint8))

    def to_bytes(self) -> bytes:
        """The bits as they are."""
        return self.bits.tobytes()

    def contains(
        self, hi: npt.NDArray[np.uint64], lo: npt.NDArray[np.uint64]
    ) -> npt.NDArray[np.bool_]:
        """For each id whether it may be in the set."""
        if hi.size == 1:  # one id is asked of every segment: whole numbers take a tenth of arrays
            return np.array([self._may_hold(int(hi[0]), int(lo[0]))])
        found = np.ones(hi.shape, dtype=np.bool_)
        for position in _positions(hi, lo, self.bits.size * 8):
            found &= (self.bits[position >> np.uint64(3)] & _bit(position)) != 0
        return found

    def may_contain(self, trace_id: int) -> bool:
        """Whether one 128-bit id may be in the set."""
        return self._may_hold(trace_id >> 64, trace_id & _ALL)

    def _may_hold(self, hi: int, lo: int) -> bool:
        bits, last = self.bits, self.bits.size * 8 - 1
        position, step = _first_and_step(hi, lo)
        for _ in range(_PROBES):
            place = position & last
            if not int(bits[place >> 3]) >> (place & 7) & 1:
                return False
            position += step  # wraps at a power of two, as `place` does
        return True


def _bit(position: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    return np.left_shift(np.uint8(1), (position & np.uint64(7)).astype(np.uint8))


def _positions(
    hi: npt.NDArray[np.uint64], lo: npt.NDArray[np.uint64], size: int
) -> list[npt.NDArray[np.uint64]]:
    first = _mixed(lo ^ _mixed(hi))
    second = _mixed(first) | np.uint64(1)
    mask = np.uint64(size - 1)
    return [(first + np.uint64(i) * second) & mask for i in range(_PROBES)]


def _mixed(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64, which spreads every input bit over the output."""
    value = value + _MIX
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@functools.lru_cache(maxsize=64)  # one id is asked of every segment
def _first_and_step(hi: int, lo: int) -> tuple[int, int]:
    first = _mixed_number(lo ^ _mixed_number(hi))
    return first, _mixed_number(first) | 1


def _mixed_number(value: int) -> int:
    """The same for one number."""
    value = (value + int(_MIX)) & _ALL
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & _ALL
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & _ALL
    return value ^ value >> 31
