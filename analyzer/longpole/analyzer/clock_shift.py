"""Clock shifts: what is added to all times of a host, on what evidence, and how it is kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

# Whose clock a span bears: one machine, else its name, else at least one process.
CLOCK = ("host.id", "host.name", "service.instance.id")
# A clock that is off by less is left alone: a path tolerates as much.
SMALLEST_SHIFT_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class ClockShift:
    """`offset_ns` is added to the times of `host`; anything from `low_ns` to `high_ns` would
    make its `calls` fit as well. Original times are the shifted ones minus the offset."""

    host: str
    offset_ns: int
    low_ns: int
    high_ns: int
    calls: int


@dataclass(frozen=True, slots=True)
class Clocks:
    """What is known of the clocks that a trace bears: those that were off, and the pairs of
    hosts (caller, called) whose calls no steady clocks explain; these were left alone."""

    shifts: tuple[ClockShift, ...] = ()
    unsteady: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.shifts or self.unsteady)


NO_CLOCKS = Clocks()


def clocks_text(clocks: Clocks) -> str:
    """Clocks as derived rows keep them: a JSON object, "" when nothing is off."""
    return json.dumps(asdict(clocks), ensure_ascii=False) if clocks else ""


def clocks_of_text(text: str | None) -> Clocks | None:
    """The way back. None: no derived row says. Text that is not ours says that nothing is off."""
    if text is None:
        return None
    if not text:
        return NO_CLOCKS
    try:
        kept = json.loads(text)
        return Clocks(
            tuple(
                ClockShift(
                    str(one["host"]),
                    *(int(one[name]) for name in ("offset_ns", "low_ns", "high_ns", "calls")),
                )
                for one in kept["shifts"]
            ),
            tuple((str(a), str(b)) for a, b in kept["unsteady"]),
        )
    except (ValueError, TypeError, KeyError):
        return NO_CLOCKS
