"""Traced ports: a span around every method of an object, where no network call would make one.

In the monolith the services call each other directly; with this the trace still says whose work
it was.
"""

from __future__ import annotations

import functools
from typing import Any, TypeVar, cast

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from shop.chassis.errors import ShopError

P = TypeVar("P")


def traced(port: P, service: str, tracer: Tracer | None = None) -> P:
    """An object like `port` whose public methods each run in an INTERNAL span, named
    `<service>.<method>`, with `code.function.name`. Errors pass through; the span has status
    ERROR when the method failed, but not when it answered no (`NotFound`, `PaymentDeclined`)."""
    return cast(P, _Traced(port, service, tracer or trace.get_tracer("shop.monolith")))


class _Traced:
    def __init__(self, port: Any, service: str, tracer: Tracer) -> None:
        self._port = port
        self._service = service
        self._tracer = tracer

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._port, name)
        if name.startswith("_") or not callable(member):
            return member
        kind = type(self._port)
        span_name = f"{self._service}.{name}"
        attributes = {
            "code.function.name": f"{kind.__module__}.{kind.__qualname__}.{name}",
            "shop.service": self._service,
        }

        @functools.wraps(member)
        def in_a_span(*args: Any, **kwargs: Any) -> Any:
            with self._tracer.start_as_current_span(
                span_name,
                kind=SpanKind.INTERNAL,
                attributes=attributes,
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                try:
                    return member(*args, **kwargs)
                except Exception as error:
                    is_an_answer = isinstance(error, ShopError) and error.http_status < 500
                    if isinstance(error, ShopError):
                        span.set_attribute("shop.error.code", error.code)
                    if not is_an_answer:
                        span.record_exception(error)
                        span.set_attribute("error.type", type(error).__qualname__)
                        span.set_status(Status(StatusCode.ERROR, str(error)))
                    raise

        setattr(self, name, in_a_span)  # the next call finds it without coming here
        return in_a_span
