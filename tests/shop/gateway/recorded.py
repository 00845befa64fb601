"""Recorded spans, waited for: a server's span ends a moment after its answer has arrived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.shop.inventory.stage import wait_until


class Recorded:
    """The spans of this process since the block began."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def all(self) -> list[ReadableSpan]:
        """In the order of their ends."""
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        """Those of this name."""
        return [span for span in self.all() if span.name == name]

    def wait(self, name: str, count: int = 1) -> list[ReadableSpan]:
        """Those of this name, once there are so many."""
        wait_until(lambda: len(self.named(name)) >= count, f"{count} spans {name}")
        return self.named(name)

    def trace_of(self, span: ReadableSpan) -> list[ReadableSpan]:
        """All spans of the same trace, in the order of their starts."""
        found = [each for each in self.all() if id_of(each)[0] == id_of(span)[0]]
        return sorted(found, key=lambda each: each.start_time or 0)

    def children_of(self, span: ReadableSpan) -> list[ReadableSpan]:
        """Its direct children, in the order of their starts."""
        return [
            each
            for each in self.trace_of(span)
            if each.parent is not None and each.parent.span_id == id_of(span)[1]
        ]


def id_of(span: ReadableSpan) -> tuple[int, int]:
    """Trace and span id."""
    assert span.context is not None
    return span.context.trace_id, span.context.span_id


def attributes(span: ReadableSpan) -> Mapping[str, Any]:
    """Its attributes, never None."""
    return span.attributes or {}


@contextmanager
def recorded() -> Iterator[Recorded]:
    """Record what is traced in the block. The provider is the process's: made if there is none."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(exporter)
    provider.add_span_processor(processor)
    yield Recorded(exporter)
    processor.shutdown()
