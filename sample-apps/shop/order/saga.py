"""The saga engine: steps in order, and when one fails the others undone in reverse order.

    charge ──▶ reserve ──▶ email ──▶ ship          completed
                                      ╳ fails
    refund ◀── release ◀── correction              compensated (or failed, if an undo fails
                                                   or there was nothing to undo)

The state is written after every step, so that whoever finds a saga without a living owner knows
what has to be undone. A step whose end nobody saw (a timeout, a crash) may have taken effect: it
is done once more under the same idempotency key, which tells what it brought, and then undone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from opentelemetry import baggage, context, metrics, trace
from opentelemetry.trace import Link, Span, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shop.chassis.errors import DependencyError, NotFound, ShopError
from shop.chassis.ports import Database, Transaction
from shop.chassis.problem import BY_CODE
from shop.order.certainty import may_have_happened
from shop.order.saga_store import (
    COMPENSATED,
    COMPENSATING,
    COMPLETED,
    FAILED,
    RUNNING,
    SagaLost,
    SagaState,
    SagaStore,
)

# What became of undoing a step.
DONE = "done"
IMPOSSIBLE = "impossible"
UNDO_FAILED = "failed"
SKIPPED = "skipped"

JsonObject: TypeAlias = Mapping[str, Any]

_log = logging.getLogger("shop.order.saga")
_outcomes = metrics.get_meter("shop.order").create_counter(
    "shop.saga.outcomes", unit="{saga}", description="Sagas that ended, by how they ended."
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `action` gets the saga's state and returns what is needed to undo it, JSON; the
    same saga may run it twice, so it passes an idempotency key. It fails by raising.

    `compensation` undoes it, given the state with the step's result in it. Without one, the step
    changes nothing that would have to be undone. With `irreversible` (the reason), undoing is
    impossible, and the compensation does what can be done instead.
    """

    name: str
    action: Callable[[SagaState], JsonObject]
    compensation: Callable[[SagaState], None] | None = None
    irreversible: str = ""


@dataclass(frozen=True, slots=True)
class Saga:
    """A kind of saga: its name and its steps in order."""

    name: str
    steps: Sequence[Step]


# What is to be written in the transaction that ends a saga, whichever way it ended.
Finish: TypeAlias = Callable[[Transaction, SagaState], None]


@dataclass(frozen=True, slots=True)
class UndoPolicy:
    """An undo is tried `attempts` times, with a pause that doubles from `pause_seconds`: by
    default for about as long as a crashed service needs to come back, and not so often that the
    attempts alone open a breaker. No attempt starts later than `give_up_seconds` after the first
    one."""

    attempts: int = 4
    pause_seconds: float = 0.4
    give_up_seconds: float = 10.0


class SagaEngine:
    """Runs sagas. `clock` gives seconds since 1970."""

    def __init__(
        self,
        database: Database,
        store: SagaStore,
        *,
        undo: UndoPolicy = UndoPolicy(),
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        tracer: Tracer | None = None,
    ) -> None:
        self._database = database
        self._store = store
        self._undo = undo
        self._clock = clock
        self._sleep = sleep
        self._tracer = tracer or trace.get_tracer("shop.order")

    def begin(
        self, transaction: Transaction, saga: Saga, saga_id: str, data: JsonObject
    ) -> SagaState:
        """Write the saga down, in the transaction of whatever it is about; what `run` needs."""
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        traceparent = carrier.get("traceparent", "")
        state = SagaState(saga_id, saga.name, data, traceparent=traceparent)
        self._store.insert(transaction, state, self._now_ms())
        return state

    def run(self, saga: Saga, state: SagaState, finish: Finish) -> ShopError | None:
        """Run a saga that was begun; `state` tells afterwards how it ended. Returns the error of
        the step that failed, or None. Raises `SagaLost` when another process has taken it on,
        and `DependencyError` when the database is gone: then the saga is left unfinished."""
        with self._saga_span(saga, state) as span:
            error = self._forward(saga, state, finish)
            if error is not None:
                self._backward(saga, state, finish)
            self._conclude(span, saga, state)
        return error

    def recover(self, saga: Saga, saga_id: str, finish: Finish) -> SagaState | None:
        """Take on a saga that has no living owner, and undo it. Returns its state at the end, or
        None when it has ended or somebody else took it on."""
        with self._database.transaction() as transaction:
            state = self._store.take(transaction, saga_id, self._now_ms())
        if state is None:
            return None
        state.recoveries += state.status == FAILED
        with self._saga_span(saga, state, is_recovered=True) as span:
            if state.status == RUNNING:
                gone = "the process that ran the saga is gone"
                self._give_up(state, gone, "abandoned", is_unsure=True)
            self._backward(saga, state, finish)
            self._conclude(span, saga, state)
        _log.warning("saga %s was found unfinished and is %s now", saga_id, state.status)
        return state

    def _forward(self, saga: Saga, state: SagaState, finish: Finish) -> ShopError | None:
        for step in saga.steps:
            try:
                with self._step_span(f"saga step {step.name}", state, step):
                    result = step.action(state)
            except SagaLost:
                raise
            except Exception as error:
                code = error.code if isinstance(error, ShopError) else ShopError.code
                self._give_up(state, said(step, error), code, is_unsure=may_have_happened(error))
                _log.warning("saga %s fails: %s", state.saga_id, state.failure)
                return error if isinstance(error, ShopError) else ShopError(state.failure)
            state.results[step.name] = result
            state.position += 1
            if state.position < len(saga.steps):
                self._save(state)
        self._end(state, COMPLETED, finish)
        return None

    def _give_up(self, state: SagaState, failure: str, code: str, *, is_unsure: bool) -> None:
        state.status, state.is_position_unsure = COMPENSATING, is_unsure
        state.failure, state.failure_code = failure, code
        self._save(state)

    def _backward(self, saga: Saga, state: SagaState, finish: Finish) -> None:
        """Undo, last step first, whatever took effect and has not been undone yet."""
        reached = state.position + 1 if state.is_position_unsure else state.position
        for step in reversed(saga.steps[:reached]):
            if step.compensation is None or state.compensations.get(step.name, "") in (
                DONE,
                IMPOSSIBLE,
                SKIPPED,
            ):
                continue
            state.compensations[step.name] = self._compensate(step, state)
            self._save(state)
        has_failed = UNDO_FAILED in state.compensations.values()
        self._end(state, FAILED if has_failed else COMPENSATED, finish)

    def _compensate(self, step: Step, state: SagaState) -> str:
        """Undo one step, with a few attempts, and say what became of it."""
        give_up_at = self._clock() + self._undo.give_up_seconds
        with self._step_span(f"saga compensate {step.name}", state, step) as span:
            for attempt in range(1, self._undo.attempts + 1):
                try:
                    outcome = self._undo_once(step, state)
                    break
                except Exception as error:
                    span.record_exception(error)
                    failure = said(step, error)
                    _log.warning("saga %s: undoing %s", state.saga_id, failure)
                    outcome = IMPOSSIBLE if step.irreversible else UNDO_FAILED
                    pause = self._undo.pause_seconds * 2 ** (attempt - 1)
                    if attempt == self._undo.attempts or self._clock() + pause > give_up_at:
                        span.set_attribute("error.type", type(error).__name__)
                        span.set_status(Status(StatusCode.ERROR, failure))
                        break
                    self._sleep(pause)
            span.set_attribute("saga.compensation", outcome)
            if outcome == IMPOSSIBLE:
                span.set_attribute("saga.compensation.reason", step.irreversible)
            return outcome

    def _undo_once(self, step: Step, state: SagaState) -> str:
        assert step.compensation is not None
        if step.name not in state.results and not step.irreversible:
            # Nobody saw the step end. Its key makes a second run tell the result of the first.
            try:
                state.results[step.name] = step.action(state)
            except DependencyError:
                raise
            except ShopError:
                return SKIPPED  # a plain no: it never took effect
        try:
            step.compensation(state)
        except NotFound:
            return SKIPPED
        return IMPOSSIBLE if step.irreversible else DONE

    def _save(self, state: SagaState) -> None:
        with self._database.transaction() as transaction:
            self._store.save(transaction, state, self._now_ms())

    def _end(self, state: SagaState, status: str, finish: Finish) -> None:
        state.status = status
        with self._database.transaction() as transaction:
            self._store.save(transaction, state, self._now_ms())
            finish(transaction, state)

    def _conclude(self, span: Span, saga: Saga, state: SagaState) -> None:
        # Nothing to undo: it is over for good, but nothing was compensated either.
        is_bare = state.status == COMPENSATED and not state.compensations
        outcome = FAILED if is_bare else state.status
        _outcomes.add(1, {"saga.name": saga.name, "saga.outcome": outcome})
        span.set_attribute("saga.outcome", outcome)
        if state.status != COMPLETED:
            if state.position < len(saga.steps):
                span.set_attribute("saga.failed_step", saga.steps[state.position].name)
            span.set_attribute("error.type", _error_type(state.failure_code))
            span.set_status(Status(StatusCode.ERROR, state.failure))

    @contextmanager
    def _saga_span(self, saga: Saga, state: SagaState, *, is_recovered: bool = False) -> Any:
        attributes: dict[str, str | bool] = {"saga.id": state.saga_id, "saga.name": saga.name}
        links = []
        if is_recovered:
            attributes["saga.recovered"] = True
            links = _link_to(state.traceparent)
        # In the baggage, the id reaches every span of the flow, in this and other services.
        token = context.attach(baggage.set_baggage("saga.id", state.saga_id))
        try:
            with self._span(f"saga {saga.name}", attributes, links) as span:
                yield span
        finally:
            context.detach(token)

    def _step_span(self, name: str, state: SagaState, step: Step) -> AbstractContextManager[Span]:
        return self._span(name, {"saga.id": state.saga_id, "saga.step": step.name})

    @contextmanager
    def _span(
        self, name: str, attributes: Mapping[str, str | bool], links: Sequence[Link] = ()
    ) -> Iterator[Span]:
        with self._tracer.start_as_current_span(name, attributes=attributes, links=links) as span:
            try:
                yield span
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                raise

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def said(step: Step, error: Exception) -> str:
    """The failure of a step in words; of errors that are not the shop's own, no internals."""
    return f"{step.name}: {error if isinstance(error, ShopError) else 'internal error'}"


def _error_type(failure_code: str) -> str:
    """The name of the error, as the span of the step has it; what is kept is its code."""
    kind = BY_CODE.get(failure_code)
    return failure_code if kind is None else kind.__name__


def _link_to(traceparent: str) -> list[Link]:
    carried = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    origin = trace.get_current_span(carried).get_span_context()
    return [Link(origin)] if origin.is_valid else []
