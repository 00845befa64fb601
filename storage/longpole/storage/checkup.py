"""What was found in a data directory by reading all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from longpole.model.problem import Problem, Severity

WHOLE, DAMAGED, LOST, UNNAMED = "whole", "damaged", "lost", "unnamed"


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """One part of a data directory. `state`: `whole`, `damaged` (some of it cannot be read),
    `lost` (none of it can), `unnamed` (a segment that the manifest does not know). `records` are
    those it should hold (requests, for the journal); `message` says what is wrong."""

    name: str
    state: str
    records: int
    byte_count: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found. `quarantine` maps the files that were set aside to their sizes; `losses`
    are numbers of what was lost for good, by reason, up to now."""

    parts: tuple[CheckedPart, ...]
    problems: tuple[Problem, ...] = ()
    quarantine: Mapping[str, int] = field(default_factory=dict)
    losses: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_healthy(self) -> bool:
        """Nothing is damaged now; what was lost before and is set aside does not count."""
        return all(part.state in (WHOLE, UNNAMED) for part in self.parts) and not any(
            problem.severity is Severity.LOSS for problem in self.problems
        )
