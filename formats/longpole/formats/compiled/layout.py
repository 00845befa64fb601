"""Columns of the int64 tables that the compiled scan fills, and the kinds of messages in them.

A place is two columns: where it begins in the body, and `_END`, where it ends (both 0: absent).
Each kind of message uses the columns from `OWN` on as it needs them; see `plans`.
"""

from __future__ import annotations

# Kinds of messages, by their level in a request of any signal.
REQUEST, GROUP, SCOPE, RECORD = range(4)
# What the groups of every signal have: ResourceSpans, ResourceLogs, ResourceMetrics.
# Further kinds of trace requests; their records are spans.
EVENT, LINK, STATUS = range(4, 7)
# Further kinds of metric requests; their records are metrics. Data, points, parts of points.
GAUGE, SUM, HISTOGRAM, EXPONENTIAL, SUMMARY = range(4, 9)
NUMBER_POINT, HISTOGRAM_POINT, EXPONENTIAL_POINT, SUMMARY_POINT = range(9, 13)
METADATA, EXEMPLAR, QUANTILE, POSITIVE, NEGATIVE = range(13, 18)

# One row per message, in the order of levels: the row of the message around it, its own bytes,
# its rows of the attribute table, and the bytes from its first attribute to its last.
KIND, PARENT, BEGIN, END, ATTRIBUTES, ATTRIBUTES_END, LABELS, LABELS_END, OWN = range(9)

# A resource of a group, a scope of a scope.
OWNER, OWNER_END, OWNER_URL, OWNER_URL_END = range(OWN, OWN + 4)

# Ids as the bits of an unsigned number.
(
    SPAN_TRACE_HI, SPAN_TRACE_LO, SPAN_ID, SPAN_PARENT,
    SPAN_STATE, SPAN_STATE_END,
    SPAN_NAME, SPAN_NAME_END,
    SPAN_KIND, SPAN_START, SPAN_STOP, SPAN_FLAGS,
    SPAN_DROPPED_ATTRIBUTES, SPAN_DROPPED_EVENTS, SPAN_DROPPED_LINKS,
    SPAN_CODE, SPAN_MESSAGE, SPAN_MESSAGE_END,
) = range(OWN, OWN + 18)  # fmt: skip

EVENT_TIME, EVENT_NAME, EVENT_NAME_END, EVENT_DROPPED = range(OWN, OWN + 4)

(
    LINK_TRACE_HI, LINK_TRACE_LO, LINK_ID, LINK_STATE, LINK_STATE_END, LINK_FLAGS, LINK_DROPPED,
) = range(OWN, OWN + 7)  # fmt: skip

STATUS_CODE, STATUS_MESSAGE, STATUS_MESSAGE_END = range(OWN, OWN + 3)

# The body is a value: its type, and the two columns of the attribute table.
(
    LOG_TIME, LOG_OBSERVED, LOG_TRACE_HI, LOG_TRACE_LO, LOG_SPAN, LOG_SEVERITY,
    LOG_SEVERITY_TEXT, LOG_SEVERITY_TEXT_END,
    LOG_BODY_TYPE, LOG_BODY, LOG_BODY_END,
    LOG_EVENT_NAME, LOG_EVENT_NAME_END,
    LOG_FLAGS, LOG_DROPPED,
) = range(OWN, OWN + 15)  # fmt: skip

(
    METRIC_NAME, METRIC_NAME_END, METRIC_DESCRIPTION, METRIC_DESCRIPTION_END,
    METRIC_UNIT, METRIC_UNIT_END,
) = range(OWN, OWN + 6)  # fmt: skip

DATA_TEMPORALITY, DATA_IS_MONOTONIC = range(OWN, OWN + 2)

# The same for points of every kind. HAS_ is the number of the field that was there, 0 for none;
# a number point has its value where the others have their sum.
(
    POINT_START, POINT_TIME, POINT_FLAGS, POINT_COUNT, POINT_SUM, POINT_HAS_SUM,
    POINT_MIN, POINT_HAS_MIN, POINT_MAX, POINT_HAS_MAX,
    POINT_BOUNDS, POINT_BOUNDS_END, POINT_COUNTS, POINT_COUNTS_END,
    POINT_SCALE, POINT_ZERO_COUNT, POINT_ZERO_THRESHOLD,
) = range(OWN, OWN + 17)  # fmt: skip
VALUE_IS_DOUBLE, VALUE_IS_INT = 4, 6

BUCKETS_OFFSET, BUCKETS_COUNTS, BUCKETS_COUNTS_END = range(OWN, OWN + 3)

QUANTILE_QUANTILE, QUANTILE_VALUE = range(OWN, OWN + 2)

WIDTH = OWN + 18

# One row per attribute: VALUE is the number, the bits of the double, 0 or 1, or where the text
# or the encoded AnyValue begins.
ATTRIBUTE_KEY, ATTRIBUTE_KEY_END, ATTRIBUTE_TYPE, ATTRIBUTE_VALUE, ATTRIBUTE_VALUE_END = range(5)
ATTRIBUTE_WIDTH = 5

# Types of attributes, in the order of the list columns.
TEXT, NUMBER, DOUBLE, TRUTH, OTHER, TYPES = range(6)
