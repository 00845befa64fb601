"""Columns of the int64 tables that the compiled loops fill, and the counters of their rows.

A text is two columns: where it begins in the body, and `_END`, where it ends (both 0: absent).
`_ATTRIBUTES_END` is the row of the attribute table behind the last attribute of this row.
"""

from __future__ import annotations

# Counters.
SCOPES, SPANS, EVENTS, LINKS, SPAN_ATTRIBUTES, EVENT_ATTRIBUTES, LINK_ATTRIBUTES, COUNTERS = range(
    8
)

# One row per ScopeSpans. OWNER numbers the ResourceSpans; USED is 1 once there is a span.
(
    SCOPE_OWNER,
    SCOPE_RESOURCE, SCOPE_RESOURCE_END,
    SCOPE_RESOURCE_URL, SCOPE_RESOURCE_URL_END,
    SCOPE_MESSAGE, SCOPE_MESSAGE_END,
    SCOPE_URL, SCOPE_URL_END,
    SCOPE_USED,
    SCOPE_WIDTH,
) = range(11)  # fmt: skip

# One row per span; ids as the bits of an unsigned number.
(
    SPAN_SCOPE,
    SPAN_TRACE_HI, SPAN_TRACE_LO, SPAN_ID, SPAN_PARENT,
    SPAN_STATE, SPAN_STATE_END,
    SPAN_NAME, SPAN_NAME_END,
    SPAN_KIND, SPAN_START, SPAN_STOP,
    SPAN_CODE, SPAN_MESSAGE, SPAN_MESSAGE_END,
    SPAN_FLAGS,
    SPAN_DROPPED_ATTRIBUTES, SPAN_DROPPED_EVENTS, SPAN_DROPPED_LINKS,
    SPAN_ATTRIBUTES_END,
    SPAN_WIDTH,
) = range(21)  # fmt: skip

(
    EVENT_SPAN, EVENT_TIME, EVENT_NAME, EVENT_NAME_END, EVENT_DROPPED, EVENT_ATTRIBUTES_END,
    EVENT_WIDTH,
) = range(7)  # fmt: skip

(
    LINK_SPAN, LINK_TRACE_HI, LINK_TRACE_LO, LINK_ID, LINK_STATE, LINK_STATE_END, LINK_FLAGS,
    LINK_DROPPED, LINK_ATTRIBUTES_END,
    LINK_WIDTH,
) = range(10)  # fmt: skip

# One row per attribute: VALUE is the number, the bits of the double, 0 or 1, or where the text
# or the encoded AnyValue begins.
ATTRIBUTE_TYPE, ATTRIBUTE_KEY, ATTRIBUTE_KEY_END, ATTRIBUTE_VALUE, ATTRIBUTE_VALUE_END = range(5)
ATTRIBUTE_WIDTH = 5

# Types of attributes, in the order of the list columns.
TEXT, NUMBER, DOUBLE, TRUTH, OTHER, TYPES = range(6)
