"""What `longpole diff` decides: one check for each condition, or one for the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from longpole.dashboards.figures import duration


@dataclass(frozen=True, slots=True)
class Check:
    """`name` is the condition, or what was checked without one; `detail` has the figures."""

    name: str
    is_passed: bool
    detail: str


def checked(document: Mapping[str, Any], is_strict: bool) -> list[Check]:
    """The checks of a comparison. `is_strict`: what may be noise fails, too."""
    gates = document["gates"]
    if not gates:
        is_worse = any(change["is_worse"] for change in document["changes"])
        has_traces = all(document["compared"][f"{side}_traces"] for side in ("base", "head"))
        passed = has_traces and not is_worse
        return [Check("nothing is slower or fails more", passed, document["verdict_line"])]
    passing = {"passed"} if is_strict else {"passed", "noise"}
    return [Check(gate["condition"], gate["outcome"] in passing, _detail(gate)) for gate in gates]


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
