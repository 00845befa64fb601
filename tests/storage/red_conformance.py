"""What `TraceReader` promises of services over time, part of the suite of every engine."""

from __future__ import annotations

from collections.abc import Callable

from longpole.model.clock import ManualClock
from longpole.storage.ports import Store
from tests.storage.span_examples import span, submit_spans

Disturb = Callable[[], Store]


class RedConformance:
    """Mixed into `StoreConformance`."""

    def test_services_are_numbered_once_in_the_order_of_arrival(
        self, store: Store, clock: ManualClock, disturb: Disturb
    ) -> None:
        assert dict(store.service_colours()) == {}
        submit_spans(store, span(1, 1, service_name="shop"), span(1, 2, 1, service_name="cart"))
        assert dict(store.service_colours()) == {"shop": 0, "cart": 1}
        store = disturb()
        submit_spans(store, span(2, 1, service_name="a-new-one"), span(2, 2, service_name="cart"))
        assert dict(store.service_colours()) == {"shop": 0, "cart": 1, "a-new-one": 2}
