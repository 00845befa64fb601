"""The business of order-service: orders placed by a saga that is conducted, or by choreography."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import baggage, context, trace
from opentelemetry.trace import Tracer

from shop import events
from shop.chassis.errors import BulkheadFull, CircuitOpen, Conflict, DependencyError, NotFound
from shop.chassis.parallel import Parallel
from shop.chassis.ports import Database, Event, Events, Faults, Transaction
from shop.inventory.contract import Inventory, Line
from shop.order import order_store
from shop.order.checkout import Checkout, checkout_data
from shop.order.contract import Order, OrderRequest
from shop.order.order_store import CHECKOUT, PENDING, QUICK, Placing
from shop.order.outbox import Outbox
from shop.order.prices import Prices, Quote
from shop.order.saga import SagaEngine, UndoPolicy
from shop.order.saga_store import COMPLETED, SagaLost, SagaState, SagaStore
from shop.payment.contract import Payments
from shop.shipping.contract import Shipping
from shop.user.contract import Address, User, Users

N_PLUS_ONE = "order-n-plus-one"

# With these nothing was sent, or payment-service has said that it is broken: no money was moved,
# and no order is worth keeping. The customer is told at once, and may try the same again.
REFUSALS = (CircuitOpen.code, BulkheadFull.code, DependencyError.code)
# A saga may be silent for as long as its slowest step; after that it counts as abandoned.
LEASE_SECONDS = 120.0
# Whoever sends a request again while the first is under way waits for that one.
WAIT_SECONDS = 30.0
# A quick order that is still pending by then has lost one of its events, or hangs behind others
# that nobody wants to wait for either. Long, for a queue may lag and still get there.
OVERDUE_SECONDS = 900.0
# Nobody waits for a recovery, and the services it needs may just be starting.
PATIENT = UndoPolicy(attempts=6, pause_seconds=0.5, give_up_seconds=30.0)

_log = logging.getLogger("shop.order")


class OrderLogic:
    """Implements `contract.Orders`, and hears what becomes of the choreographed orders. `owner`
    is the name of this instance, `clock` gives seconds since 1970."""

    def __init__(
        self,
        database: Database,
        published: Events,
        *,
        payments: Payments,
        inventory: Inventory,
        shipping: Shipping,
        users: Users,
        faults: Faults,
        owner: str,
        lease_seconds: float = LEASE_SECONDS,
        undo: UndoPolicy = UndoPolicy(),  # noqa: B008 - frozen
        patient: UndoPolicy = PATIENT,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        tracer: Tracer | None = None,
    ) -> None:
        self._database = database
        self._users = users
        self._faults = faults
        self._clock = clock
        self._inventory = inventory
        self._prices = Prices(inventory)
        self._lookups = Parallel("order lookups")
        self._checkout = Checkout(payments, inventory, shipping, published, faults, sleep)
        self._store = SagaStore(owner, lease_seconds)
        self.outbox = Outbox(database, published, clock=clock)

        def engine(policy: UndoPolicy) -> SagaEngine:
            return SagaEngine(
                database, self._store, undo=policy, clock=clock, sleep=sleep, tracer=tracer
            )

        self._engine = engine(undo)
        self._patient_engine = engine(patient)
        self._under_way: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def checkout(self, user_id: str, request: OrderRequest, idempotency_key: str) -> Order:
        """Charge, reserve, announce by e-mail, ship. Raises `CircuitOpen` or `BulkheadFull` when
        payment-service was not even asked, `DependencyError` when it is broken (nothing was done,
        the key is free again) or prices or the address cannot be had, `Invalid` for an unknown
        sku, `Conflict` for a key of another request, `NotFound` for an unknown user."""
        key = idempotency_key or uuid.uuid4().hex
        known = self._placed(user_id, key, CHECKOUT, request)
        if known is not None:
            return self._when_done(known)
        quote, address = self._quote_and_address(user_id, request)
        order = self._new_order(user_id, request, quote.total_cents, quote.currency)
        saga = self._checkout.saga()
        data = checkout_data(order, request.card_token, address)
        placing = self._placing(CHECKOUT, key, request)
        with self._in_saga(order.saga_id), self._marked_under_way(order):
            with self._database.transaction() as transaction:
                is_new = order_store.insert(transaction, order, placing)
                if is_new:
                    state = self._engine.begin(transaction, saga, order.saga_id, data)
            if not is_new:
                return self._same_again(user_id, key, CHECKOUT, request)
            stored: list[tuple[str, Event]] = []
            try:
                error = self._engine.run(saga, state, self._finish(stored))
            except SagaLost as loss:
                _log.warning("%s", loss)
                return self.order(order.order_id)
            self.outbox.publish(stored)
        _log.info("saga %s of order %s is %s", state.saga_id, order.order_id, state.status)
        if error is not None and _is_refused(state):
            raise error
        return self.order(order.order_id)

    def quick_order(self, user_id: str, request: OrderRequest, idempotency_key: str) -> Order:
        """Place the order and let events carry it on. Raises as `checkout` does, save that
        payment-service is not needed: while its breaker is open, this still works."""
        key = idempotency_key or uuid.uuid4().hex
        known = self._placed(user_id, key, QUICK, request)
        if known is not None:
            return known
        quote = self._prices.quote(request.lines)
        order = self._new_order(user_id, request, quote.total_cents, quote.currency)
        with self._in_saga(order.saga_id):
            with self._database.transaction() as transaction:
                if not order_store.insert(transaction, order, self._placing(QUICK, key, request)):
                    return self._same_again(user_id, key, QUICK, request)
                stored = self._tell(
                    transaction,
                    events.ORDER_CREATED,
                    order.model_dump(),
                    total_cents=order.total_cents,
                    currency=order.currency,
                    card_token=request.card_token,
                    lines=_dumped(order.lines),
                )
            self.outbox.publish([stored])
        _log.info("order %s is placed, %d cents", order.order_id, order.total_cents)
        return order

    def order(self, order_id: str) -> Order:
        """Raises `NotFound`."""
        with self._database.transaction() as transaction:
            order = order_store.find(transaction, order_id)
        if order is None:
            raise NotFound(f"there is no order {order_id}")
        return order

    def orders_of(self, user_id: str, limit: int) -> list[Order]:
        """Newest first; two queries, however many there are."""
        is_naive = self._faults.active(N_PLUS_ONE) is not None
        complete = order_store.with_lines_one_by_one if is_naive else order_store.with_lines
        with self._database.transaction() as transaction:
            rows = order_store.newest(transaction, user_id, limit)
            if is_naive and len(rows) > 1:
                self._faults.acted(N_PLUS_ONE)
            return complete(transaction, rows)

    def hear_paid(self, data: Mapping[str, Any]) -> None:
        """PaymentCompleted: half of what a quick order waits for."""
        self._hear(data, "is_paid")

    def hear_reserved(self, data: Mapping[str, Any]) -> None:
        """InventoryReserved: the other half; they may come in either order. For an order that was
        cancelled in the meantime, the goods go back."""
        if self._hear(data, "is_reserved") or "reservation_id" not in data:
            return
        with self._database.transaction() as transaction:
            if not order_store.is_cancelled(transaction, data["order_id"]):
                return
        with self._in_saga(str(data["saga_id"])):
            try:
                self._inventory.release(data["reservation_id"])
            except NotFound:
                return
        _log.warning("what was reserved for cancelled order %s is released", data["order_id"])

    def hear_failed(self, data: Mapping[str, Any]) -> None:
        """PaymentFailed or InventoryRejected: the order is cancelled."""
        with self._in_saga(str(data["saga_id"])):
            failure = str(data.get("failure", ""))
            with self._database.transaction() as transaction:
                if not order_store.cancel(transaction, data["order_id"], failure):
                    return
                stored = self._tell(transaction, events.ORDER_CANCELLED, data, failure=failure)
            self.outbox.publish([stored])
        _log.warning("order %s is cancelled: %s", data["order_id"], failure)

    def overdue_orders(self) -> list[Order]:
        """Quick orders that have been pending for longer than events need."""
        before = int((self._clock() - OVERDUE_SECONDS) * 1000)
        with self._database.transaction() as transaction:
            return order_store.overdue(transaction, before)

    def end_overdue(self, order: Order) -> None:
        """Confirm the order when it is known to be reserved, for only what is paid is reserved.
        Otherwise cancel it and have payment-service give back what it may have taken."""
        failure = "nobody said in time whether it is paid and reserved"
        about = order.model_dump()
        tracer = trace.get_tracer("shop.order")
        with tracer.start_as_current_span("end overdue order"), self._in_saga(order.saga_id):
            with self._database.transaction() as transaction:
                if order_store.cancel_unreserved(transaction, order.order_id, failure):
                    stored = [
                        self._tell(transaction, events.ORDER_CANCELLED, about, failure=failure),
                        self._tell(transaction, events.ORDER_EXPIRED, about),
                    ]
                elif order_store.confirm(transaction, order.order_id):
                    lines = _dumped(order.lines)
                    stored = [self._tell(transaction, events.ORDER_CONFIRMED, about, lines=lines)]
                else:
                    return  # an event was faster
            self.outbox.publish(stored)
        _log.warning("order %s was pending for too long", order.order_id)

    def abandoned_sagas(self, *, of_owner: bool) -> list[str]:
        """Ids of sagas that nobody runs any more; `of_owner`: also those of an earlier life of
        this instance. Never one that this process is at."""
        with self._lock:
            own = set(self._under_way)
        with self._database.transaction() as transaction:
            now_ms = int(self._clock() * 1000)
            found = self._store.abandoned(transaction, now_ms, of_owner=of_owner)
        return [saga_id for saga_id in found if saga_id not in own]

    def recover(self, saga_id: str) -> str:
        """Take on an abandoned saga and undo it; returns how it ended, empty when it has ended
        already or somebody else is at it."""
        stored: list[tuple[str, Event]] = []
        try:
            state = self._patient_engine.recover(
                self._checkout.saga(), saga_id, self._finish(stored)
            )
        except SagaLost as loss:
            _log.warning("%s", loss)
            return ""
        self.outbox.publish(stored)
        return state.status if state is not None else ""

    def close(self) -> None:
        """End the threads of lookups under way."""
        self._lookups.close()
        self._prices.close()

    def _quote_and_address(self, user_id: str, request: OrderRequest) -> tuple[Quote, Address]:
        """Neither needs the other, so they are asked for at the same time."""
        quote, user = self._lookups.run(
            [lambda: self._prices.quote(request.lines), lambda: self._users.user(user_id)]
        )
        for answer in (quote, user):
            if isinstance(answer, Exception):
                raise answer
        assert isinstance(quote, Quote)
        assert isinstance(user, User)
        return quote, user.address

    def _finish(self, stored: list[tuple[str, Event]]) -> Callable[[Transaction, SagaState], None]:
        """What ends a checkout together with its saga; `stored` receives what to publish."""

        def finish(transaction: Transaction, state: SagaState) -> None:
            about = {**state.data, "saga_id": state.saga_id}
            order_id = state.data["order_id"]
            if state.status == COMPLETED:
                code = state.results["ship"]["tracking_code"]
                if order_store.confirm(transaction, order_id, code):
                    lines = state.data["lines"]
                    stored.append(
                        self._tell(transaction, events.ORDER_CONFIRMED, about, lines=lines)
                    )
            elif _is_refused(state):
                order_store.refuse(transaction, order_id, state.failure)
            elif order_store.cancel(transaction, order_id, state.failure):
                failure = state.failure
                stored.append(
                    self._tell(transaction, events.ORDER_CANCELLED, about, failure=failure)
                )

        return finish

    def _hear(self, data: Mapping[str, Any], what: str) -> bool:
        """Whether this was the half that had been missing."""
        with self._in_saga(str(data["saga_id"])):
            with self._database.transaction() as transaction:
                if not order_store.hear(transaction, data["order_id"], what):
                    return False
                order_store.confirm(transaction, data["order_id"])
                lines = _dumped(order_store.lines_of(transaction, data["order_id"]))
                stored = self._tell(transaction, events.ORDER_CONFIRMED, data, lines=lines)
            self.outbox.publish([stored])
        _log.info("order %s is confirmed", data["order_id"])
        return True

    def _tell(
        self, transaction: Transaction, kind: str, about: Mapping[str, Any], **more: Any
    ) -> tuple[str, Event]:
        data = {name: about[name] for name in ("order_id", "user_id", "saga_id")} | more
        return self.outbox.store(transaction, events.ORDERS, kind, data["order_id"], data)

    def _new_order(
        self, user_id: str, request: OrderRequest, total_cents: int, currency: str
    ) -> Order:
        return Order(
            order_id=f"order-{uuid.uuid4().hex}",
            user_id=user_id,
            saga_id=f"saga-{uuid.uuid4().hex}",
            status=PENDING,
            lines=request.lines,
            total_cents=total_cents,
            currency=currency,
        )

    def _placing(self, kind: str, key: str, request: OrderRequest) -> Placing:
        digest = order_store.digest(kind, request)
        return Placing(kind, key, digest, int(self._clock() * 1000))

    def _placed(self, user_id: str, key: str, kind: str, request: OrderRequest) -> Order | None:
        """The order that the same request brought before. Raises `Conflict` when it was another
        request."""
        with self._database.transaction() as transaction:
            found = order_store.placed_with(transaction, user_id, key)
        if found is None:
            return None
        order, digest = found
        if digest != order_store.digest(kind, request):
            raise Conflict("this idempotency key was used for another request")
        return order

    def _same_again(self, user_id: str, key: str, kind: str, request: OrderRequest) -> Order:
        """The same request came twice at once, and the other was first."""
        order = self._placed(user_id, key, kind, request)
        if order is None:
            raise Conflict("the same request was refused a moment ago; send it again")
        return self._when_done(order) if kind == CHECKOUT else order

    def _when_done(self, order: Order) -> Order:
        """The order once its saga has ended, if that is under way in this process."""
        if order.status != PENDING:
            return order
        with self._lock:
            done = self._under_way.get(order.saga_id)
        if done is not None:
            done.wait(WAIT_SECONDS)
        # Read once more even if nothing is under way: it may have ended just now.
        return self.order(order.order_id)

    @contextmanager
    def _marked_under_way(self, order: Order) -> Any:
        done = threading.Event()
        with self._lock:
            self._under_way[order.saga_id] = done
        try:
            yield
        finally:
            with self._lock:
                del self._under_way[order.saga_id]
            done.set()

    @contextmanager
    def _in_saga(self, saga_id: str) -> Any:
        """Everything inside belongs to this saga, in whatever service it happens."""
        trace.get_current_span().set_attribute("saga.id", saga_id)
        token = context.attach(baggage.set_baggage("saga.id", saga_id))
        try:
            yield
        finally:
            context.detach(token)


def _is_refused(state: SagaState) -> bool:
    is_untouched = state.position == 0 and not state.is_position_unsure
    return is_untouched and state.failure_code in REFUSALS


def _dumped(lines: Sequence[Line]) -> list[dict[str, Any]]:
    return [line.model_dump() for line in lines]
