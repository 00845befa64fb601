"""Which spans were sent twice: the whole content of a span as one value that can be hashed,
compared and sorted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from longpole.model.span import Attributes, Resource, Span

# Nested tuples in which equal places hold equal types, so that any two can be ordered.
Content: TypeAlias = tuple[Any, ...]


def first_copies(spans: Sequence[Span]) -> list[int]:
    """Positions of the spans to keep, ascending: the first of each set of exact copies.

    Spans of several traces may be mixed. Values of different types differ (1, 1.0 and true), a
    NaN equals a NaN, and the order of attributes means nothing. Only spans that agree in what
    is cheap to compare are compared as a whole, so that 100,000 spans with one id take no
    longer than others.
    """
    if len({(span.trace_id, span.span_id) for span in spans}) == len(spans):
        return list(range(len(spans)))
    groups: dict[tuple[int, int, int, int, str], list[int]] = {}
    for place, span in enumerate(spans):
        key = (span.trace_id, span.span_id, span.start_unix_nano, span.end_unix_nano, span.name)
        groups.setdefault(key, []).append(place)
    kept: list[int] = []
    for places in groups.values():
        seen: set[Content] = set()
        for place in places:
            content = span_content(spans[place]) if len(places) > 1 else ()
            if content not in seen:
                seen.add(content)
                kept.append(place)
    return sorted(kept)


def span_content(span: Span) -> Content:
    """Equal for two spans exactly if every field is equal."""
    return (
        span.trace_id,
        span.span_id,
        span.parent_span_id,
        span.name,
        span.kind,
        span.start_unix_nano,
        span.end_unix_nano,
        span.service_name,
        span.status_code,
        span.status_message,
        span.trace_state,
        span.flags,
        span.dropped_attributes_count,
        span.dropped_events_count,
        span.dropped_links_count,
        _attributes(span.attributes),
        tuple(
            (e.time_unix_nano, e.name, e.dropped_attributes_count, _attributes(e.attributes))
            for e in span.events
        ),
        tuple(
            (
                *(link.trace_id, link.span_id, link.trace_state, link.flags),
                link.dropped_attributes_count,
                _attributes(link.attributes),
            )
            for link in span.links
        ),
        _resource(span.resource),
        span.scope.name,
        span.scope.version,
        span.scope.schema_url,
        span.scope.dropped_attributes_count,
        _attributes(span.scope.attributes),
    )


def _resource(resource: Resource) -> Content:
    return (
        resource.schema_url,
        resource.dropped_attributes_count,
        _attributes(resource.attributes),
    )


def _attributes(attributes: Attributes) -> Content:
    if not attributes:
        return ()
    return tuple(sorted((key, _value(value)) for key, value in attributes.items()))


def _value(value: object) -> tuple[str, Any]:
    """The type's name keeps values of different types apart, also while sorting."""
    if isinstance(value, str):
        return "str", value
    if isinstance(value, float):
        return "float", repr(value + 0.0)  # minus zero becomes zero, any NaN the same text
    if isinstance(value, Mapping):
        return "map", tuple(sorted((str(key), _value(held)) for key, held in value.items()))
    if isinstance(value, (list, tuple)):
        return "list", tuple(_value(held) for held in value)
    return type(value).__name__, repr(value)
