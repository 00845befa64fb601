"""The circuit breaker: stops calling a dependency that keeps failing, and tries it again later.

    closed ──(failures in a row reach the limit)──▶ open
      ▲                                              │ open_seconds pass
      └──(trial succeeds)── half_open ◀──────────────┘
                                └──(trial fails)──▶ open

The lock is held only to decide, never during the call: a breaker that serialised the calls of a
service would itself be the bottleneck.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider

from shop.chassis.errors import CircuitOpen


class State(Enum):
    """Where the breaker stands; the value is what spans and metrics say."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


STATE_NUMBERS = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


@dataclass(frozen=True, slots=True)
class Permit:
    """The leave to make one call. It belongs to a spell of the breaker, so that an answer that
    comes after the state has changed does not count."""

    state: State
    spell: int


class Breaker:
    """One breaker; `name` is the dependency it stands before. Every method is thread-safe."""

    def __init__(
        self, name: str, clock: Callable[[], float], meter_provider: MeterProvider | None = None
    ) -> None:
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._state = State.CLOSED
        self._spell = 0
        self._failures = 0
        self._opened_at = 0.0
        self._trial_is_out = False
        meter = metrics.get_meter("shop.circuit_breaker", meter_provider=meter_provider)
        self._transitions = meter.create_counter(
            "shop.circuit_breaker.transitions",
            unit="{transition}",
            description="Changes of state, by from and to.",
        )
        self._state_gauge = meter.create_gauge(
            "shop.circuit_breaker.state",
            unit="{state}",
            description="0 closed, 1 half open, 2 open, as of the last call.",
        )

    @property
    def state(self) -> State:
        """The present state. An open breaker stays open until a call comes after its time."""
        return self._state

    def admit(self, open_seconds: float) -> Permit:
        """Leave to call, which `succeeded` or `failed` has to be told about. Raises `CircuitOpen`
        while open, and while half open with the one trial under way."""
        with self._lock:
            was = self._state
            if was is State.OPEN and self._clock() - self._opened_at >= open_seconds:
                self._turn(State.HALF_OPEN)
            is_refused = self._state is State.OPEN or (
                self._state is State.HALF_OPEN and self._trial_is_out
            )
            if not is_refused and self._state is State.HALF_OPEN:
                self._trial_is_out = True
            permit = Permit(self._state, self._spell)
        self._tell(was, permit.state)
        if is_refused:
            raise CircuitOpen(self.name, f"circuit breaker {self.name} is {permit.state.value}")
        return permit

    def succeeded(self, permit: Permit) -> None:
        """The call was answered, be it with a refusal."""
        with self._lock:
            if permit.spell != self._spell:
                return
            self._failures = 0
            if self._state is State.HALF_OPEN:
                self._turn(State.CLOSED)
            now = self._state
        self._tell(permit.state, now)

    def failed(self, permit: Permit, failures_allowed: int) -> None:
        """The dependency did not do its part; the `failures_allowed`-th time in a row opens."""
        with self._lock:
            if permit.spell != self._spell:
                return
            self._failures += 1
            if self._state is State.HALF_OPEN or self._failures >= failures_allowed:
                self._turn(State.OPEN)
                self._opened_at = self._clock()
            now = self._state
        self._tell(permit.state, now)

    def _turn(self, state: State) -> None:
        self._state = state
        self._spell += 1
        self._failures = 0
        self._trial_is_out = False

    def _tell(self, was: State, now: State) -> None:
        name = {"circuit_breaker.name": self.name}
        self._state_gauge.set(STATE_NUMBERS[now], name)
        if was is now:
            return
        change = name | {
            "circuit_breaker.previous_state": was.value,
            "circuit_breaker.state": now.value,
        }
        self._transitions.add(1, change)
        trace.get_current_span().add_event("circuit_breaker.state_change", change)
