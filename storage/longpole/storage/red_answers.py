"""Questions and answers about rate, errors and durations over time."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from longpole.model.columns import RED_STEP_NS
from longpole.model.timerange import TimeRange


@dataclass(frozen=True, slots=True)
class RedQuery:
    """Which RED rows to add up, and how far apart to keep them.

    `time` begins, and ends, at multiples of `step_ns`, which is a multiple of `RED_STEP_NS`, and
    not before 1970; else ValueError. Without `services` all of them, without `operation` all of
    theirs. `by_step` and `by_operation` say whether steps and operations stay apart. Without
    `with_buckets` the lists of counts are empty, which is quicker.
    """

    time: TimeRange
    step_ns: int
    services: tuple[str, ...] = ()
    operation: str | None = None
    by_step: bool = True
    by_operation: bool = False
    with_buckets: bool = True

    def __post_init__(self) -> None:
        _check_steps(self.time, self.step_ns)


@dataclass(frozen=True, slots=True)
class PathSeriesQuery:
    """Which critical-path time to add up by the end of its segments; times and steps as in
    `RedQuery`."""

    time: TimeRange
    step_ns: int
    by_step: bool = True

    def __post_init__(self) -> None:
        _check_steps(self.time, self.step_ns)


@dataclass(frozen=True, slots=True)
class CallSeriesQuery:
    """Which calls to add up by their end; times and steps as in `RedQuery`."""

    time: TimeRange
    step_ns: int
    by_step: bool = True

    def __post_init__(self) -> None:
        _check_steps(self.time, self.step_ns)


def _check_steps(time: TimeRange, step_ns: int) -> None:
    if step_ns <= 0 or step_ns % RED_STEP_NS:
        raise ValueError(f"a step of {step_ns} ns is no multiple of {RED_STEP_NS} ns")
    start, end = time.start_unix_nano, time.end_unix_nano
    if start < 0 or start % step_ns or end % step_ns:
        raise ValueError("the range of time is not made of whole steps after 1970")


@dataclass(frozen=True, slots=True)
class RedSeries:
    """Exact sums over derived rows at their latest revision.

    `rows` has the columns of `answers.RED_SERIES`, by step, service, operation, kind and status;
    a group without runs has no row. `step_unix_nano` is the start of the range and `operation` is
    empty where the question did not keep them apart. The exemplar of a row is a trace in which
    the runs of the group took long. `unsettled` traces of any time are not in it yet.
    """

    rows: pa.Table
    unsettled: int = 0
