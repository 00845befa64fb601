"""A half-open range of time in Unix nanoseconds."""

from __future__ import annotations

from dataclasses import dataclass

_MIN = -(1 << 63)
_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class TimeRange:
    """`start_unix_nano <= t < end_unix_nano`. The default holds every time."""

    start_unix_nano: int = _MIN
    end_unix_nano: int = _MAX

    @property
    def is_unbounded(self) -> bool:
        """Whether neither end was given."""
        return self.start_unix_nano == _MIN and self.end_unix_nano == _MAX
