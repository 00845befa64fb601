"""What `longpole diff` decides: one check for each condition, or one for the comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from longpole.dashboards.figures import duration

NOTHING_TO_COMPARE = "nothing to compare"


@dataclass(frozen=True, slots=True)
class Check:
    """`name` is the condition, or what was checked without one; `detail` has the figures.
    `is_known` false: there are too few traces to tell, which passes unless that is strict."""

    name: str
    is_passed: bool
    detail: str
    is_known: bool = True

    @property
    def is_open(self) -> bool:
        """It passed only because nobody can tell."""
        return self.is_passed and not self.is_known


def checked(document: Mapping[str, Any], is_strict: bool) -> list[Check]:
    """The checks of a comparison. `is_strict`: what may be noise fails, too."""
    gates = document["gates"]
    if not gates:
        line = document["verdict_line"]
        if not all(document["compared"][f"{side}_traces"] for side in ("base", "head")):
            return [Check(NOTHING_TO_COMPARE, False, line.partition(": ")[2])]
        is_worse = any(change["is_worse"] for change in document["changes"])
        is_known = document["is_enough"]
        return [Check("nothing is slower or fails more", not is_worse, line, is_known)]
    passing = {"passed"} if is_strict else {"passed", "noise", "too_few"}
    return [
        Check(
            gate["condition"],
            gate["outcome"] in passing,
            _detail(gate),
            is_known=gate["outcome"] != "too_few",
        )
        for gate in gates
    ]


def note_on(checks: Sequence[Check]) -> str:
    """What a person has to know who sees only that the check passed; "" if there is nothing."""
    left = sum(check.is_open for check in checks)
    if not left:
        return ""
    which = "the check passes" if len(checks) == 1 else f"{left} of {len(checks)} checks pass"
    return f"note: {which} only because there are too few traces to tell"


def _detail(gate: Mapping[str, Any]) -> str:
    if gate["base"] is None or gate["head"] is None:
        return str(gate["reason"])
    is_errors = gate["condition"].startswith("errors")
    before, after = (
        f"{value * 100:.2g} %" if is_errors else duration(value)
        for value in (gate["base"], gate["head"])
    )
    change = gate["change"]
    if change is None:
        moved = "from nothing"
    elif gate["unit"] == "share":
        moved = f"{change * 100:+.1f} {'points' if is_errors else '%'}".replace("-", "−")
    else:
        moved = ("+" if change > 0 else "−" if change < 0 else "") + duration(abs(change))
    return f"{before} → {after} ({moved}): {gate['reason']}"
