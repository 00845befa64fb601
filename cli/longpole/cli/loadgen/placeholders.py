"""Values that stand in a pre-encoded request until each sending puts its own in their place.

A placeholder is as long as what replaces it, in protobuf and in JSON, and is told from all other
bytes of the request by its last or first eight.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class Kind(StrEnum):
    """What a place holds; each has one number for each of its indices in a request."""

    TRACE_HI = "trace_hi"
    TRACE_LO = "trace_lo"
    SPAN = "span"
    START = "start"  # Unix nanoseconds
    END = "end"
    TOKEN = "token"  # 16 hexadecimal digits as text
    INTEGER = "integer"  # of ten digits
    DOUBLE = "double"  # a whole one of ten digits


IDS = (Kind.TRACE_HI, Kind.TRACE_LO, Kind.SPAN)
TIMES = (Kind.START, Kind.END)
_HEXADECIMAL = (*IDS, Kind.TOKEN)
DECIMALS = (*TIMES, Kind.INTEGER, Kind.DOUBLE)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """The value that stands in for number `index` of a kind."""

    kind: Kind
    index: int
    value: int


class Placeholders:
    """Gives out placeholders, each value once."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._used: set[int] = set()
        self._used_first: set[int] = set()
        self._counts: dict[Kind, int] = dict.fromkeys(Kind, 0)
        self.given: list[Placeholder] = []

    def trace(self) -> bytes:
        """The 16 bytes of a trace id."""
        high, low = self._number(Kind.TRACE_HI), self._number(Kind.TRACE_LO)
        return high.to_bytes(8, "big") + low.to_bytes(8, "big")

    def span(self) -> bytes:
        """The 8 bytes of a span id, which may stand in several places."""
        return self._number(Kind.SPAN).to_bytes(8, "big")

    def time(self, kind: Kind) -> int:
        """A time of 19 digits."""
        return self._number(kind)

    def token(self) -> str:
        """A text of 16 digits."""
        return f"{self._number(Kind.TOKEN):016x}"

    def integer(self) -> int:
        """A number of ten digits."""
        return self._number(Kind.INTEGER)

    def double(self) -> float:
        """The same as a double."""
        return float(self._number(Kind.DOUBLE))

    def count(self, kind: Kind) -> int:
        """How many of a kind there are."""
        return self._counts[kind]

    def _number(self, kind: Kind) -> int:
        while True:
            if kind in TIMES:
                number = int(self._random.integers(10**18, 2 * 10**18))
            elif kind in (Kind.INTEGER, Kind.DOUBLE):
                number = int(self._random.integers(10**9, 10**10))
            else:
                number = int(self._random.integers(1 << 60, 1 << 62))
            # The last eight digits tell decimals apart, whatever they are written as.
            short = number % 10**8
            # The first eight tell apart what is written in hexadecimal.
            first = number >> 32 if kind in _HEXADECIMAL else -number
            if short not in self._used and first not in self._used_first:
                break
        self._used.add(short)
        self._used_first.add(first)
        self.given.append(Placeholder(kind, self._counts[kind], number))
        self._counts[kind] += 1
        return number
