"""Pauses: a process stands still, and every request in it or on its way to it with it.

a call        ├────────────────────────┤          each began at another moment,
another one        ├──────────────────────┤       and all go on at the same one
the process   ▪▪▪ ▪▪                 ▪▪▪▪▪ ▪▪ ▪
                    ╰── no event ────╯
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from longpole.analyzer.findings.detector import fingerprint_of
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.findings.window.measured_pauses import INSTANCE, MeasuredPause
from longpole.analyzer.findings.window.span_columns import NO_ROW, Bools, Ints, SpanColumns
from longpole.analyzer.findings.window.window import Window, WindowDetector, WindowFinding
from longpole.analyzer.wording import counted, duration_text, named
from longpole.model.finding import FindingSeverity
from longpole.model.span import SpanKind, StatusCode

IDENTIFIER = "pause"
_RESUME_NS = 60_000_000  # after a pause, what stood still goes on within that
_RESUME_SHARE = 0.10
_MOST_MOMENTS = 10_000
_BUSY = 3  # other processes with something to do at a time, to tell a pause from a stalled machine
_CALLS = (int(SpanKind.SERVER), int(SpanKind.INTERNAL), int(SpanKind.UNSPECIFIED))


_Held: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Standstill:
    """From `begin` to `end` nothing happened in a process. `held` are the spans that show it, one
    a trace: its row, how long it was held up, and the row of the span that lost the time (the
    call, for a request that had not been taken up). `measured` is what the process itself measured
    in that time, if it did."""

    begin: int
    end: int
    held: tuple[_Held, ...]
    measured: MeasuredPause | None = None


def _look(window: Window, thresholds: Thresholds) -> Iterator[WindowFinding]:
    spans = window.spans
    instances = spans.words(*INSTANCE)
    process = spans.service.codes * (len(instances.texts) + 1) + instances.codes + 1
    order = np.argsort(process, kind="stable")
    bounds = np.flatnonzero(np.diff(process[order])) + 1
    by_process = np.split(order, bounds)
    found: dict[int, list[Standstill]] = {}
    for rows in by_process:
        if len(rows):
            of = spans.service.of(rows[0]), instances.of(rows[0])
            measured = [one for one in window.measured if (one.service, one.instance) == of]
            stills = _standstills(window, rows, process, thresholds, measured)
            found.setdefault(int(spans.service.codes[rows[0]]), []).extend(stills)
    for repeated in found.values():
        requests = sum(len(still.held) for still in repeated)
        is_repeated = len(repeated) > 1 and requests >= 2 * thresholds.pause_requests
        measured = _measured_by(window, repeated)
        is_measured = sum(one.count for one in measured) > 1
        if is_repeated or is_measured or requests > thresholds.pause_requests:
            yield _finding(spans, repeated, measured)


def _measured_by(window: Window, stills: list[Standstill]) -> list[MeasuredPause]:
    """What processes measured: that which held up a request, and of the same processes what
    cannot lie outside of the window."""
    seen = [still.measured for still in stills if still.measured is not None]
    processes = {(one.service, one.instance) for one in seen}
    return [
        one
        for one in window.measured
        if one in seen
        or (
            (one.service, one.instance) in processes
            and window.begin <= one.begin - one.longest_ns
            and one.end <= window.end
        )
    ]


def _standstills(
    window: Window,
    rows: Ints,
    process: Ints,
    thresholds: Thresholds,
    measured: list[MeasuredPause],
) -> Iterator[Standstill]:
    spans = window.spans
    events = np.unique(np.concatenate([spans.starts[rows], spans.ends[rows]]))
    if events[0] > window.begin:  # what came before is not here: it may as well have been then
        events = np.concatenate([[window.begin], events])
    gaps = np.flatnonzero(np.diff(events) >= thresholds.pause_ns)
    gaps = gaps[(events[gaps + 1] >= window.begin) & (events[gaps] < window.end)]
    if not len(gaps):
        return
    parents = spans.parents[rows]
    has_caller = (spans.kinds[rows] == SpanKind.SERVER) & (parents != NO_ROW)
    called = rows[has_caller & ~_is_after_its_call(spans, rows)]
    called = called[np.argsort(spans.starts[called], kind="stable")]
    arrivals = spans.starts[called]
    asked = spans.starts[spans.parents[called]]
    for gap in gaps[:_MOST_MOMENTS]:
        begin, end = int(events[gap]), int(events[gap + 1])
        within = max(_RESUME_NS, round((end - begin) * _RESUME_SHARE))
        # Requests that came meanwhile: asked for in the gap, taken up right after it.
        at, until = np.searchsorted(arrivals, (end, end + within + 1))
        late = [
            (int(called[i]), end - int(asked[i]), int(spans.parents[called[i]]))
            for i in range(at, until)
            if begin < asked[i] and end - asked[i] >= thresholds.pause_wait_ns
        ]
        own = next((one for one in measured if one.fits(begin, end)), None)
        frozen = _frozen(spans, rows, begin, end, end + within) if late or own else []
        one_each: dict[int, _Held] = {}
        for held in sorted((*late, *frozen), key=lambda each: -each[1]):
            one_each.setdefault(int(spans.trace[held[0]]), held)
        # Of a pause that the process measured itself, one request is witness enough.
        needed = 1 if own else thresholds.pause_requests
        if len(one_each) >= needed and not _is_everywhere(window, rows, begin, end, process):
            yield Standstill(begin, end, tuple(one_each.values()), own)


def _is_after_its_call(spans: SpanColumns, rows: Ints) -> Bools:
    """Whether spans begin when the call above them had its answer already: no pause does that,
    but a clock that is ahead. A call that failed may have been given up before."""
    parents = spans.parents[rows]  # NO_ROW is any row: whoever asks has left those out
    has_failed = spans.status[parents] == StatusCode.ERROR
    is_after: Bools = (spans.starts[rows] >= spans.ends[parents]) & ~has_failed
    return is_after


def _frozen(spans: SpanColumns, rows: Ints, begin: int, end: int, until: int) -> list[_Held]:
    """Spans of this process that were at work all the while, not waiting for a call, and went
    on right after: something happened below or at the end of them."""
    is_open = (spans.starts[rows] <= begin) & (spans.ends[rows] >= end)
    held = rows[is_open & np.isin(spans.kinds[rows], _CALLS)]
    if not len(held):
        return []
    waiting = set(spans.parents[rows[is_open]].tolist())
    return [
        (int(row), end - begin, int(row))
        for row in held
        if int(row) not in waiting and spans.ends[row] <= until
    ]


def _is_everywhere(window: Window, rows: Ints, begin: int, end: int, process: Ints) -> bool:
    """Whether the other processes stood still as well, so that it was the machine. With too
    little going on elsewhere nobody can tell, and it is not said."""
    spans = window.spans
    own = process[rows[0]]
    # A span that starts in the middle of the gap, well away from its ends.
    margin = (end - begin) // 5
    is_meanwhile = (spans.starts > begin + margin) & (spans.starts < end - margin)
    others = np.unique(process[is_meanwhile & (process != own)])
    return len(others) < _BUSY and len(others) < len(np.unique(process)) - 1


def _finding(
    spans: SpanColumns, stills: list[Standstill], measured: list[MeasuredPause]
) -> WindowFinding:
    held = sorted((each for still in stills for each in still.held), key=lambda h: (-h[1], h[0]))
    entries = spans.entries()
    operations = Counter(
        spans.name.of(int(entries[row]) if entries[row] != NO_ROW else row) for row, *_ in held
    )
    service = spans.service.of(held[0][0])
    operation = min(operations, key=lambda name: (-operations[name], name))
    times = "once" if len(stills) == 1 else f"{len(stills)} times"
    stills.sort(key=lambda still: still.begin)
    every = ""
    if len(stills) > 2:
        apart = np.diff([still.begin for still in stills])
        every = f", every {duration_text(int(np.median(apart)))}"
    waited = (
        f"{len(held)} requests of different traces waited for it and went on at the same moments"
        if len(held) > 1
        else "1 request waited for it"
    )
    reason = (
        f"{named(service)} stands still {times}{every}, for at least "
        f"{duration_text(held[0][1])}: {waited}, while other services went on working."
    )
    if measured:
        longest = max(measured, key=lambda one: one.longest_ns)
        reason += (
            f" By its own measure ({longest.metric}) collecting garbage stopped it "
            f"{counted(sum(one.count for one in measured), 'time')}, for up to "
            f"{duration_text(longest.longest_ns)}."
        )
    return WindowFinding(
        detector=IDENTIFIER,
        severity=FindingSeverity.WARNING,
        service=service,
        operation=operation,
        reason=reason,
        action=f"Look at the garbage collector and its logs, at CPU limits (throttling), and at "
        f"locks that stop all of {named(service)}; give it memory or smaller heaps, and move "
        "blocking work off its event loop.",
        fingerprint=fingerprint_of(IDENTIFIER, service),
        rows=tuple(row for row, _, _ in held),
        excess_ns=tuple(lost for _, lost, _ in held),
        losers=tuple(loser for _, _, loser in held),
    )


DETECTOR = WindowDetector(
    IDENTIFIER,
    "A process stands still",
    "Nothing starts or ends in a process for `pause_ns`, and requests of `pause_requests` traces "
    "or more that came meanwhile (each waiting `pause_wait_ns` or longer) or were under way go on "
    "right after, together, while other processes were at work. A warning when that happens "
    "twice or holds up more requests than that. Where the process itself measured the pause "
    "(`cpython.gc.duration`, `jvm.gc.duration`, `v8js.gc.duration`), one request that it held up "
    "is enough, and a warning when it measured two.",
    _look,
)
