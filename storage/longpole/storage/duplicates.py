"""Tells which spans were sent twice: equal in every field, whatever the order of attributes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from longpole.model.span import Span


def first_copies(spans: Sequence[Span]) -> list[int]:
    """Positions of the spans to keep, ascending: the first of each set of exact copies.

    Spans of several traces may be mixed. Only spans that share trace and span id are
    compared, so that a trace without repeats costs one pass over its ids.
    """
    seen = Counter((span.trace_id, span.span_id) for span in spans)
    contents: set[object] = set()
    kept: list[int] = []
    for position, span in enumerate(spans):
        if seen[span.trace_id, span.span_id] > 1:
            content = content_of(span)
            if content in contents:
                continue
            contents.add(content)
        kept.append(position)
    return kept


def content_of(span: Span) -> object:
    """A hashable value that is equal for two spans exactly when every field is.

    `1`, `1.0` and `True` differ, NaN equals itself, and the order of attributes, in which a
    map has no say, does not count.
    """
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
        _canonical(span.attributes),
        tuple(
            (e.time_unix_nano, e.name, e.dropped_attributes_count, _canonical(e.attributes))
            for e in span.events
        ),
        tuple(
            (
                link.trace_id,
                link.span_id,
                link.trace_state,
                link.flags,
                link.dropped_attributes_count,
                _canonical(link.attributes),
            )
            for link in span.links
        ),
        (
            span.resource.schema_url,
            span.resource.dropped_attributes_count,
            _canonical(span.resource.attributes),
        ),
        (
            span.scope.name,
            span.scope.version,
            span.scope.schema_url,
            span.scope.dropped_attributes_count,
            _canonical(span.scope.attributes),
        ),
    )


def _canonical(attributes: Mapping[str, object]) -> str:
    # repr() keeps int, float and bool apart and gives NaN one spelling.
    return repr(sorted((key, repr(value)) for key, value in attributes.items()))
