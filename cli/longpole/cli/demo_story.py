"""The story of the demo: a while of good traffic, a fault, and what Longpole says about it.

shop opens      first report       fault on              fault off     comparison, verdict
├───────────────┼──────────────────┼─────────────────────┼─────────────┤
 baseline: warm, then counted as    counted as "during":  the traces that the fault
 "before"                           the labelled window   touched end and settle
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from longpole.cli.demo_shop import DemoFailed, Fault, Registry
from longpole.cli.question import Source
from longpole.model.clock import Clock

# First requests find cold caches and no connections; they are no fair "before".
WARM_UP_NS = 1_500_000_000
LEAST_TRACES = 5
LOOK_SECONDS = 0.5
# Without a settled trace after so long something is wrong.
PATIENCE_SECONDS = 60.0
# What the fault touched last must end and settle, but nobody waits for a hanging request.
LONGEST_TAIL_SECONDS = 20.0
MOST_TRACES = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How long the good and the bad time last, in seconds; longer when traces are few."""

    baseline_seconds: float
    fault_seconds: float

    @staticmethod
    def within(duration_seconds: float) -> Plan:
        """A plan that leaves half of the time for the start, the settling and the reading."""
        return Plan(
            baseline_seconds=min(9.0, max(2.0, duration_seconds * 0.15)),
            fault_seconds=min(20.0, max(4.0, duration_seconds * 0.33)),
        )


class Narrator(Protocol):
    """Tells people or programs what happens."""

    def first_report(self, document: dict[str, Any]) -> None: ...
    def fault_on(self, fault: Fault, seconds: float) -> None: ...
    def fault_off(self, fault: Fault) -> None: ...
    def changed(self, fault: Fault, document: dict[str, Any]) -> None: ...
    def explained(self, fault: Fault, label: dict[str, Any], report: dict[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """`source` answers questions, `pause(seconds)` waits or raises to end the story."""

    source: Source
    registry: Registry
    clock: Clock
    pause: Callable[[float], None]
    settle_after_seconds: float


def tell(stage: Stage, fault: Fault, plan: Plan, narrator: Narrator) -> None:
    """From the moment the shop is open to the explanation of the fault. Raises `DemoFailed`
    when no traces come."""
    opened = stage.clock.now_unix_nano()
    _wait_until(stage, plan.baseline_seconds, lambda: _has_settled(stage, fault, opened))
    narrator.first_report(stage.source.critical_path({}))
    narrator.fault_on(fault, plan.fault_seconds)
    calm_until = stage.clock.now_unix_nano()
    begun = int(stage.registry.switch_on(fault.name)["start_unix_nano"])
    _wait_until(stage, plan.fault_seconds, lambda: _has_settled(stage, fault, begun))
    label = stage.registry.switch_off(fault.name)
    ended = int(label.get("end_unix_nano") or stage.clock.now_unix_nano())
    narrator.fault_off(fault)
    touched = _settled_traces(stage, fault, begun, ended)
    calm_from = min(opened + WARM_UP_NS, calm_until - 1)
    narrator.changed(
        fault,
        stage.source.compare(
            {
                "root": [fault.root],
                "base_from": [str(calm_from)],
                "base_to": [str(calm_until)],
                "head_from": [str(begun)],
                "head_to": [str(ended)],
            }
        ),
    )
    slowest = max(touched, key=lambda row: int(row["duration_ns"]))
    report = stage.source.trace(slowest["trace_id"], {"spans": ["tree"]})
    narrator.explained(fault, label, report)


def _rooted(root: str, start_unix_nano: int, end_unix_nano: int) -> dict[str, list[str]]:
    """Asks for traces of this root operation whose root started in the range."""
    return {
        "q": ["{ trace:rootName = " + json.dumps(root) + " }"],
        "operation": [root],
        "from": [str(start_unix_nano)],
        "to": [str(end_unix_nano)],
    }


def _traces(stage: Stage, fault: Fault, start: int, end: int) -> list[dict[str, Any]]:
    asked = {**_rooted(fault.root, start, end), "limit": [str(MOST_TRACES)]}
    rows: list[dict[str, Any]] = stage.source.traces(asked)["traces"]
    return [row for row in rows if start <= row["start_unix_nano"] < end]


def _has_settled(stage: Stage, fault: Fault, since: int) -> bool:
    rows = _traces(stage, fault, since, stage.clock.now_unix_nano() + 1)
    return sum(bool(row["is_settled"]) for row in rows) >= LEAST_TRACES


def _wait_until(stage: Stage, least_seconds: float, is_so: Callable[[], bool]) -> None:
    """At least so many seconds, and until it is so."""
    started = stage.clock.monotonic_ns()

    def left() -> float:
        return least_seconds - (stage.clock.monotonic_ns() - started) / 1e9

    while left() > 0:
        stage.pause(min(LOOK_SECONDS, left()))
    while not is_so():
        if left() < -PATIENCE_SECONDS:
            raise DemoFailed("no settled traces come in; `longpole status` may say why")
        stage.pause(LOOK_SECONDS)


def _settled_traces(stage: Stage, fault: Fault, begun: int, ended: int) -> list[dict[str, Any]]:
    """The traces whose root started in that window, once there is nothing to wait for: the root
    of a request under way comes last, so as long as the longest took until now."""
    while True:
        rows = _traces(stage, fault, begun, ended)
        past = (stage.clock.now_unix_nano() - ended) / 1e9
        longest = max((row["duration_ns"] for row in rows), default=0) / 1e9
        is_done = past > min(longest + stage.settle_after_seconds + 1.0, LONGEST_TAIL_SECONDS)
        settled = [row for row in rows if row["is_settled"]]
        if is_done and settled and (len(settled) == len(rows) or past > LONGEST_TAIL_SECONDS):
            return settled
        if past > PATIENCE_SECONDS:
            raise DemoFailed("the traces of the faulty time do not settle")
        stage.pause(LOOK_SECONDS)
