"""Which fields the messages of each signal have, and what the compiled scan does with each.

A plan is `plan[kind of message, field number] = (action, column)`. Fields that it does not name
are passed by, as those of later versions of OTLP are; a field that it names and that comes with
another wire type, or twice where once is meant, is left to the reference decoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from longpole.formats.compiled import layout

Plan: TypeAlias = NDArray[np.int64]

# What is done with a field. PLACE: a text, or bytes that are looked at later. CHILD: a message
# with a row of its own, of the kind that stands in place of a column. CHOICE: of several fixed64,
# the last, and its field number in the next column.
(
    PASSED_BY, ATTRIBUTE, PLACE, FIXED, NUMBER, CHILD, TRACE_ID, SPAN_ID, WORD, VALUE, CHOICE,
) = range(11)  # fmt: skip

_Fields: TypeAlias = Mapping[int, tuple[int, int]]


def _plan(*messages: _Fields) -> Plan:
    plan = np.zeros(
        (len(messages), 1 + max(max(fields, default=0) for fields in messages), 2), np.int64
    )
    for kind, fields in enumerate(messages):
        for number, (action, column) in fields.items():
            plan[kind, number] = action, column
    return plan


_OWNER = (PLACE, layout.OWNER)
_URL = (PLACE, layout.OWNER_URL)
# The same numbers in every signal.
_ENVELOPE: tuple[_Fields, ...] = (
    {1: (CHILD, layout.GROUP)},
    {1: _OWNER, 2: (CHILD, layout.SCOPE), 3: _URL},
    {1: _OWNER, 2: (CHILD, layout.RECORD), 3: _URL},
)

TRACES = _plan(
    *_ENVELOPE,
    {
        1: (TRACE_ID, layout.SPAN_TRACE_HI),
        2: (SPAN_ID, layout.SPAN_ID),
        3: (PLACE, layout.SPAN_STATE),
        4: (SPAN_ID, layout.SPAN_PARENT),
        5: (PLACE, layout.SPAN_NAME),
        6: (NUMBER, layout.SPAN_KIND),
        7: (FIXED, layout.SPAN_START),
        8: (FIXED, layout.SPAN_STOP),
        9: (ATTRIBUTE, 0),
        10: (NUMBER, layout.SPAN_DROPPED_ATTRIBUTES),
        11: (CHILD, layout.EVENT),
        12: (NUMBER, layout.SPAN_DROPPED_EVENTS),
        13: (CHILD, layout.LINK),
        14: (NUMBER, layout.SPAN_DROPPED_LINKS),
        15: (CHILD, layout.STATUS),
        16: (WORD, layout.SPAN_FLAGS),
    },
    {
        1: (FIXED, layout.EVENT_TIME),
        2: (PLACE, layout.EVENT_NAME),
        3: (ATTRIBUTE, 0),
        4: (NUMBER, layout.EVENT_DROPPED),
    },
    {
        1: (TRACE_ID, layout.LINK_TRACE_HI),
        2: (SPAN_ID, layout.LINK_ID),
        3: (PLACE, layout.LINK_STATE),
        4: (ATTRIBUTE, 0),
        5: (NUMBER, layout.LINK_DROPPED),
        6: (WORD, layout.LINK_FLAGS),
    },
    {
        2: (PLACE, layout.STATUS_MESSAGE),
        3: (NUMBER, layout.STATUS_CODE),
    },
)

LOGS = _plan(
    *_ENVELOPE,
    {
        1: (FIXED, layout.LOG_TIME),
        2: (NUMBER, layout.LOG_SEVERITY),
        3: (PLACE, layout.LOG_SEVERITY_TEXT),
        5: (VALUE, layout.LOG_BODY_TYPE),
        6: (ATTRIBUTE, 0),
        7: (NUMBER, layout.LOG_DROPPED),
        8: (WORD, layout.LOG_FLAGS),
        9: (TRACE_ID, layout.LOG_TRACE_HI),
        10: (SPAN_ID, layout.LOG_SPAN),
        11: (FIXED, layout.LOG_OBSERVED),
        12: (PLACE, layout.LOG_EVENT_NAME),
    },
)

_POINTS = (CHILD, layout.NUMBER_POINT)
_TEMPORALITY = (NUMBER, layout.DATA_TEMPORALITY)
_START, _TIME = (FIXED, layout.POINT_START), (FIXED, layout.POINT_TIME)
_COUNT, _SUM = (FIXED, layout.POINT_COUNT), (CHOICE, layout.POINT_SUM)
_MIN, _MAX = (CHOICE, layout.POINT_MIN), (CHOICE, layout.POINT_MAX)
_FLAGS, _EXEMPLAR = (NUMBER, layout.POINT_FLAGS), (CHILD, layout.EXEMPLAR)
_BUCKETS: _Fields = {1: (NUMBER, layout.BUCKETS_OFFSET), 2: (PLACE, layout.BUCKETS_COUNTS)}

METRICS = _plan(
    *_ENVELOPE,
    {
        1: (PLACE, layout.METRIC_NAME),
        2: (PLACE, layout.METRIC_DESCRIPTION),
        3: (PLACE, layout.METRIC_UNIT),
        5: (CHILD, layout.GAUGE),
        7: (CHILD, layout.SUM),
        9: (CHILD, layout.HISTOGRAM),
        10: (CHILD, layout.EXPONENTIAL),
        11: (CHILD, layout.SUMMARY),
        12: (CHILD, layout.METADATA),
    },
    {1: _POINTS},
    {1: _POINTS, 2: _TEMPORALITY, 3: (NUMBER, layout.DATA_IS_MONOTONIC)},
    {1: (CHILD, layout.HISTOGRAM_POINT), 2: _TEMPORALITY},
    {1: (CHILD, layout.EXPONENTIAL_POINT), 2: _TEMPORALITY},
    {1: (CHILD, layout.SUMMARY_POINT)},
    {2: _START, 3: _TIME, 4: _SUM, 5: _EXEMPLAR, 6: _SUM, 7: (ATTRIBUTE, 0), 8: _FLAGS},
    {
        2: _START,
        3: _TIME,
        4: _COUNT,
        5: _SUM,
        6: (PLACE, layout.POINT_COUNTS),
        7: (PLACE, layout.POINT_BOUNDS),
        8: _EXEMPLAR,
        9: (ATTRIBUTE, 0),
        10: _FLAGS,
        11: _MIN,
        12: _MAX,
    },
    {
        1: (ATTRIBUTE, 0),
        2: _START,
        3: _TIME,
        4: _COUNT,
        5: _SUM,
        6: (NUMBER, layout.POINT_SCALE),
        7: (FIXED, layout.POINT_ZERO_COUNT),
        8: (CHILD, layout.POSITIVE),
        9: (CHILD, layout.NEGATIVE),
        10: _FLAGS,
        11: _EXEMPLAR,
        12: _MIN,
        13: _MAX,
        14: (FIXED, layout.POINT_ZERO_THRESHOLD),
    },
    {
        2: _START,
        3: _TIME,
        4: _COUNT,
        5: _SUM,
        6: (CHILD, layout.QUANTILE),
        7: (ATTRIBUTE, 0),
        8: _FLAGS,
    },
    {},  # metadata and exemplars are few, and read as messages
    {},
    {1: (FIXED, layout.QUANTILE_QUANTILE), 2: (FIXED, layout.QUANTILE_VALUE)},
    _BUCKETS,
    _BUCKETS,
)
