"""The guard: the way of every call to a dependency, whatever it speaks.

    bulkhead ▶ retries ▶ breaker ▶ choice of an instance ▶ one attempt with its timeout

HTTP and gRPC callers hand in the attempt; the rest is the same for both.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider

from shop.chassis.balancing import Balancer
from shop.chassis.breaker import Breaker, Permit, State
from shop.chassis.bulkhead import Bulkhead
from shop.chassis.errors import CircuitOpen, DependencyError, DependencyUnavailable
from shop.chassis.ports import CallPolicy, Discovery, Instance, PolicySource
from shop.chassis.retry import call_with_retries

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to be made: where, for how long, and what its CLIENT span has to say."""

    number: int
    instance: Instance
    timeout_seconds: float
    span_attributes: Mapping[str, str | int]
    distance_seconds: float = 0.0


class Guard:
    """Guards the calls to one dependency; breaker, bulkhead and balancing are its own. Clock,
    sleep, random numbers and telemetry can be handed in; the defaults are the real ones."""

    def __init__(
        self,
        dependency: str,
        policy: PolicySource,
        discovery: Discovery,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self.dependency = dependency
        self.breaker = Breaker(dependency, clock, meter_provider)
        self._policy = policy
        self._bulkhead = Bulkhead(dependency, meter_provider)
        self._balancer = Balancer(dependency, discovery, clock)
        self._tracer = trace.get_tracer("shop.calls", tracer_provider=tracer_provider)
        self._sleep = sleep
        self._draw = draw

    def run(self, span_name: str, attempt: Callable[[Attempt], T], *, may_repeat: bool) -> T:
        """What `attempt` returns. It raises a `ShopError`; a `DependencyError` of this very
        dependency counts as its failure, everything else as a sign of life."""
        policy = self._policy() if callable(self._policy) else self._policy
        tried: set[str] = set()

        def once(number: int) -> T:
            return self._attempt(number, span_name, policy, tried, attempt)

        with self._bulkhead.place(policy.bulkhead_calls, policy.bulkhead_wait_seconds):
            return call_with_retries(
                once, policy, may_repeat=may_repeat, sleep=self._sleep, draw=self._draw
            )

    def _attempt(
        self,
        number: int,
        span_name: str,
        policy: CallPolicy,
        tried: set[str],
        attempt: Callable[[Attempt], T],
    ) -> T:
        permit = self._admit(span_name, policy) if policy.breaker_failures > 0 else None
        try:
            instance = self._balancer.pick(avoid=tried)
            tried.add(instance.instance_id)
            attributes = self._attributes(number, instance, permit)
            try:
                answer = attempt(
                    Attempt(
                        number,
                        instance,
                        policy.timeout_seconds,
                        attributes,
                        policy.distance_seconds,
                    )
                )
            except DependencyUnavailable as error:
                if error.was_never_sent:
                    self._balancer.refused(instance)
                raise
        except BaseException as error:
            if permit is not None:
                if self._is_failure(error):
                    self.breaker.failed(permit, policy.breaker_failures)
                else:
                    self.breaker.succeeded(permit)
            raise
        if permit is not None:
            self.breaker.succeeded(permit)
        return answer

    def _is_failure(self, error: BaseException) -> bool:
        # An error that names a service further down was answered in good order by this one: its
        # breaker stays closed, or everything above a dead service would be cut off with it.
        if isinstance(error, DependencyError):
            return error.dependency == self.dependency
        return not isinstance(error, Exception)

    def _admit(self, span_name: str, policy: CallPolicy) -> Permit:
        try:
            return self.breaker.admit(policy.breaker_open_seconds)
        except CircuitOpen as refusal:
            attributes = self._circuit(self.breaker.state) | self._peer()
            with self._tracer.start_as_current_span(
                span_name,
                kind=SpanKind.CLIENT,
                attributes=attributes | {"error.type": type(refusal).__name__},
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                span.add_event("circuit_breaker.rejected", self._circuit(self.breaker.state))
                span.set_status(Status(StatusCode.ERROR, str(refusal)))
            raise

    def _attributes(
        self, number: int, instance: Instance, permit: Permit | None
    ) -> dict[str, str | int]:
        attributes: dict[str, str | int] = {
            **self._peer(),
            "shop.instance.id": instance.instance_id,
            "shop.instance.version": instance.version,
        }
        if permit is not None:
            attributes |= self._circuit(permit.state)
        if number > 1:
            attributes["http.request.resend_count"] = number - 1
        return attributes

    def _peer(self) -> dict[str, str | int]:
        return {
            "server.address": self.dependency,
            "service.peer.name": self.dependency,
            # Its name until lately, which those who read traces still look for.
            "peer.service": self.dependency,
        }

    def _circuit(self, state: State) -> dict[str, str | int]:
        return {"circuit_breaker.name": self.dependency, "circuit_breaker.state": state.value}
