"""Traced ports: a span for each method of an object, and nothing else changed."""

from __future__ import annotations

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from shop.chassis.errors import DependencyUnavailable, PaymentDeclined, ShopError
from shop.chassis.traced import traced
from tests.shop.calls.seen import Seen, attributes, event_names


class Payments:
    """Takes money, if `error` lets it."""

    currency = "EUR"

    def __init__(self) -> None:
        self.error: Exception | None = None

    def charge(self, amount_cents: int, *, currency: str) -> str:
        """Take it."""
        if self.error is not None:
            raise self.error
        return f"{amount_cents} {currency}"


def test_a_method_runs_in_a_span_of_its_service(seen: Seen) -> None:
    payments = traced(Payments(), "payment-service", seen.tracer)
    with seen.tracer.start_as_current_span("checkout") as checkout:
        assert payments.charge(700, currency="EUR") == "700 EUR"
        assert payments.charge(800, currency="EUR") == "800 EUR"
    spans = seen.spans("payment-service.charge")
    assert len(spans) == 2
    for span in spans:
        assert span.kind is SpanKind.INTERNAL
        assert span.parent == checkout.get_span_context()
        assert span.status.status_code is StatusCode.UNSET
        name = f"{Payments.__module__}.Payments.charge"
        assert attributes(span)["code.function.name"] == name


@pytest.mark.parametrize(
    ("error", "is_failure"),
    [
        (PaymentDeclined("no money"), False),
        (DependencyUnavailable("bank", "closed"), True),
        (ShopError("a bug"), True),
        (ValueError("a bug"), True),
    ],
)
def test_a_failure_marks_the_span_and_an_answer_that_says_no_does_not(
    seen: Seen, error: Exception, is_failure: bool
) -> None:
    payments = Payments()
    payments.error = error
    with pytest.raises(type(error)) as caught:
        traced(payments, "payment-service", seen.tracer).charge(1, currency="EUR")
    assert caught.value is error
    (span,) = seen.spans()
    assert (span.status.status_code is StatusCode.ERROR) == is_failure
    assert event_names(span) == (["exception"] if is_failure else [])
    assert attributes(span).get("shop.error.code") == getattr(error, "code", None)


def test_what_is_no_method_is_handed_through(seen: Seen) -> None:
    payments = traced(Payments(), "payment-service", seen.tracer)
    assert payments.currency == "EUR"
    assert payments.error is None
    with pytest.raises(AttributeError):
        payments.nothing  # type: ignore[attr-defined]  # noqa: B018
    assert seen.spans() == []
