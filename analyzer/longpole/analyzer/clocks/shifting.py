"""Shifting: one trace read with right clocks, and what was done to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from longpole.analyzer.clock_shift import CLOCK, NO_CLOCKS, Clocks, ClockShift
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.repair import LATEST_UNIX_NANO, NAMED_SPANS
from longpole.analyzer.wording import counted, duration_text, named
from longpole.model.problem import Problem, Severity


@dataclass(frozen=True, slots=True)
class ShiftedSpans:
    """Spans with corrected times. `clocks` are those of the trace's own hosts that were applied
    (or found unsteady), `offsets_ns` what was added to both ends of a span, by its index."""

    spans: PathSpans
    clocks: Clocks
    offsets_ns: dict[int, int]
    problems: tuple[Problem, ...]


def shifted(spans: PathSpans, clocks: Clocks) -> ShiftedSpans:
    """The spans with one offset per host added; unknown hosts stay where they are.

    Spans are repaired already. A host one of whose spans would leave what times can be is not
    shifted, so that its spans never move apart.
    """
    if not clocks:
        return ShiftedSpans(spans, NO_CLOCKS, {}, ())
    by_host: dict[str, list[int]] = {}
    for index in range(len(spans)):
        host = spans.text(index, CLOCK)
        if host is not None:
            by_host.setdefault(host, []).append(index)
    applied: list[ClockShift] = []
    offsets_ns: dict[int, int] = {}
    problems: list[Problem] = []
    for shift in clocks.shifts:
        own = by_host.get(shift.host)
        if own is None or not _is_possible(spans, own, shift.offset_ns):
            continue
        applied.append(shift)
        offsets_ns.update(dict.fromkeys(own, shift.offset_ns))
        problems.append(_shift_problem(spans, own, shift))
    unsteady = tuple(pair for pair in clocks.unsteady if pair[0] in by_host and pair[1] in by_host)
    if unsteady:
        problems.append(_unsteady_problem(unsteady))
    if offsets_ns:
        spans = replace(
            spans,
            starts=[start + offsets_ns.get(i, 0) for i, start in enumerate(spans.starts)],
            ends=[end + offsets_ns.get(i, 0) for i, end in enumerate(spans.ends)],
        )
    return ShiftedSpans(spans, Clocks(tuple(applied), unsteady), offsets_ns, tuple(problems))


def _is_possible(spans: PathSpans, own: Sequence[int], offset_ns: int) -> bool:
    return all(
        spans.starts[i] + offset_ns >= 0 and spans.ends[i] + offset_ns <= LATEST_UNIX_NANO
        for i in own
    )


def _shift_problem(spans: PathSpans, own: Sequence[int], shift: ClockShift) -> Problem:
    services = sorted({spans.services[i] for i in own})
    whose = named(services[0]) + (f" and {len(services) - 1} more" if len(services) > 1 else "")
    direction, wrong = ("back", "ahead") if shift.offset_ns < 0 else ("forward", "behind")
    return Problem(
        "skew_shifted",
        f"The clock of {named(shift.host)} ({whose}) is {wrong} as "
        f"{counted(shift.calls, 'call')} to or from it show; its spans are shifted {direction} "
        f"by {duration_text(abs(shift.offset_ns))}.",
        Severity.INFO,
        len(own),
        tuple(spans.span_ids[i] for i in own[:NAMED_SPANS]),
    )


def _unsteady_problem(unsteady: Sequence[tuple[str, str]]) -> Problem:
    a, b = unsteady[0]
    more = f", and {len(unsteady) - 1} more pairs of hosts," if len(unsteady) > 1 else ""
    return Problem(
        "skew_unsteady",
        f"The clocks of {named(a)} and {named(b)}{more} disagree by no steady amount; their "
        "times are shown as sent.",
        Severity.WARNING,
        len(unsteady),
    )
