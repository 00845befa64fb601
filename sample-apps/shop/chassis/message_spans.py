"""Spans and metrics of messages: the producer's, the consumer's, and how they find each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import context, metrics, propagate, trace
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.util.types import Attributes, AttributeValue

from shop.chassis.durations import seconds_histogram
from shop.chassis.message_transport import DEAD_SUFFIX, MAX_ATTEMPTS, Lag, Received

_SYSTEM = "messaging.system"
_TOPIC = "messaging.destination.name"
_GROUP = "messaging.consumer.group.name"
_OPERATION = "messaging.operation.name"
_OPERATION_TYPE = "messaging.operation.type"


class MessageSpans:
    """Writes spans and metrics of one process about one broker. `lags` is asked whenever metrics
    are collected: topic, group and how far it is behind."""

    def __init__(
        self,
        system: str,
        lags: Callable[[], Sequence[tuple[str, str, Lag]]],
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self._system = system
        self._lags = lags
        self._tracer = trace.get_tracer("shop.messaging", tracer_provider=tracer_provider)
        meter = metrics.get_meter("shop.messaging", meter_provider=meter_provider)
        self._sent = meter.create_counter(
            "messaging.client.sent.messages", "{message}", "Messages handed to the broker"
        )
        self._consumed = meter.create_counter(
            "messaging.client.consumed.messages", "{message}", "Messages handed to a consumer"
        )
        self._call_duration = seconds_histogram(
            meter, "messaging.client.operation.duration", "How long the broker took to do its part"
        )
        self._duration = seconds_histogram(
            meter, "messaging.process.duration", "How long a consumer worked on a delivery"
        )
        meter.create_observable_gauge(
            "shop.messaging.lag",
            [self._observe_lag],
            "{message}",
            "Messages that a group has not finished",
        )
        meter.create_observable_gauge(
            "shop.messaging.oldest_age",
            [self._observe_oldest_age],
            "s",
            "Age of the oldest message that a group has not finished",
        )

    @contextmanager
    def sending(self, topic: str, message_id: str, type_: str) -> Iterator[dict[str, str]]:
        """The span `send <topic>` around the call of the broker; gives the headers that carry
        the trace context in the message. An error is written on it and goes on."""
        labels: dict[str, AttributeValue] = {
            _SYSTEM: self._system,
            _TOPIC: topic,
            _OPERATION: "send",
        }
        attributes = {
            **labels,
            _OPERATION_TYPE: "send",
            "messaging.message.id": message_id,
            "shop.event.type": type_,
        }
        with self._span(f"send {topic}", SpanKind.PRODUCER, attributes):
            headers: dict[str, str] = {}
            propagate.inject(headers)
            begun = time.monotonic()
            try:
                yield headers
            except Exception as error:
                labels["error.type"] = type(error).__name__
                raise
            finally:
                self._sent.add(1, labels)
                self._call_duration.record(
                    time.monotonic() - begun, {**labels, _OPERATION_TYPE: "send"}
                )

    @contextmanager
    def processing(self, topic: str, group: str, received: Received) -> Iterator[None]:
        """The span `process <topic>` of one delivery, a child of the span that sent it. What
        travelled with the message (baggage too) is the current context inside."""
        message = received.message
        parent = propagate.extract(dict(message.headers), context=Context())
        attributes = {
            "messaging.message.id": message.message_id,
            "shop.event.type": message.type,
        }
        with self._processing(topic, group, [received], attributes, parent, ()):
            yield

    @contextmanager
    def processing_batch(
        self, topic: str, group: str, received: Sequence[Received]
    ) -> Iterator[None]:
        """The span `process <topic>` of many deliveries: the root of a trace of its own, linked
        to every span that sent one of them."""
        links = [
            Link(_sent_by(one.message.headers), {"messaging.message.id": one.message.message_id})
            for one in received
        ]
        attributes = {"messaging.batch.message_count": len(received)}
        with self._processing(topic, group, received, attributes, Context(), links):
            yield

    @contextmanager
    def _processing(
        self,
        topic: str,
        group: str,
        received: Sequence[Received],
        attributes: Mapping[str, AttributeValue],
        parent: Context,
        links: Sequence[Link],
    ) -> Iterator[None]:
        labels: dict[str, AttributeValue] = {
            _SYSTEM: self._system,
            _TOPIC: topic,
            _GROUP: group,
            _OPERATION: "process",
        }
        attempt = max(one.attempt for one in received)
        token = context.attach(parent)
        begun = time.monotonic()
        try:
            with self._span(
                f"process {topic}",
                SpanKind.CONSUMER,
                {
                    **labels,
                    _OPERATION_TYPE: "process",
                    "shop.delivery.attempt": attempt,
                    **attributes,
                },
                links,
            ) as span:
                try:
                    yield
                except Exception as error:
                    labels["error.type"] = type(error).__name__
                    if attempt >= MAX_ATTEMPTS and not topic.endswith(DEAD_SUFFIX):
                        span.add_event("message.dead_lettered", {_TOPIC: topic + DEAD_SUFFIX})
                    raise
        finally:
            context.detach(token)
            self._consumed.add(len(received), labels)
            self._duration.record(time.monotonic() - begun, labels)

    @contextmanager
    def _span(
        self, name: str, kind: SpanKind, attributes: Attributes, links: Sequence[Link] = ()
    ) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            name,
            kind=kind,
            attributes=attributes,
            links=links,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except Exception as error:
                span.record_exception(error)
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR, str(error)))
                raise

    def _observe_lag(self, _: CallbackOptions) -> Iterator[Observation]:
        for topic, group, lag in self._lags():
            yield Observation(lag.waiting + lag.in_flight, self._lag_labels(topic, group))

    def _observe_oldest_age(self, _: CallbackOptions) -> Iterator[Observation]:
        for topic, group, lag in self._lags():
            yield Observation(lag.oldest_age_seconds, self._lag_labels(topic, group))

    def _lag_labels(self, topic: str, group: str) -> dict[str, AttributeValue]:
        return {_SYSTEM: self._system, _TOPIC: topic, _GROUP: group}


def _sent_by(headers: Mapping[str, str]) -> trace.SpanContext:
    carried = propagate.extract(dict(headers), context=Context())
    return trace.get_current_span(carried).get_span_context()
