"""Clock skew: hosts whose clocks disagree, as far as one trace proves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from longpole.analyzer.clock_shift import CLOCK, ClockShift
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detector import Detector, fingerprint_of
from longpole.analyzer.findings.repeated_calls import METHOD
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.tree import NO_PARENT
from longpole.analyzer.wording import between_text, counted, duration_text, named
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import SpanKind, StatusCode

IDENTIFIER = "clock_skew"
_MOST_SPAN_IDS = 50
_READING = ("GET", "HEAD", "OPTIONS")
_SERVER, _CLIENT = int(SpanKind.SERVER), int(SpanKind.CLIENT)


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """Between `low_ns` and `high_ns` have to be added to the times of `host` so that each of
    its answers (`servers`, indices) fits into the call from `other` that it answers."""

    other: str
    host: str
    low_ns: int
    high_ns: int
    servers: tuple[int, ...]

    @property
    def least_ns(self) -> int:
        """The smallest correction that will do; 0 when none is needed."""
        if self.low_ns <= 0 <= self.high_ns:
            return 0
        return self.low_ns if self.low_ns > 0 else self.high_ns


def clock_offsets(explanation: Explanation) -> dict[tuple[str, str], ClockOffset]:
    """The offsets that one constant for each pair of hosts allows, by (calling host, called
    host). Pairs that no constant explains are left out: there it is not the clock.

    Evidence is a SERVER span below a CLIENT span of another host that is at least as long. A
    call that failed may have been given up, so that its answer may come late; messages and
    whatever else nobody waits for prove nothing.
    """
    spans, parents = explanation.spans, explanation.tree.parents
    kinds = spans.kinds
    starts, ends = _sent_times(explanation)
    found: dict[tuple[str, str], tuple[int, int, list[int]]] = {}
    for server, kind in enumerate(kinds):
        client = parents[server]
        if kind != _SERVER or client == NO_PARENT or kinds[client] != _CLIENT:
            continue
        if ends[server] - starts[server] > ends[client] - starts[client]:
            continue
        if spans.status_codes[client] == StatusCode.ERROR and ends[server] > ends[client]:
            continue
        hosts = (spans.text(client, CLOCK), spans.text(server, CLOCK))
        if hosts[0] is None or hosts[1] is None or hosts[0] == hosts[1]:
            continue
        pair = (hosts[0], hosts[1])
        low, high = starts[client] - starts[server], ends[client] - ends[server]
        if pair in found:
            known_low, known_high, servers = found[pair]
            servers.append(server)
            found[pair] = (max(low, known_low), min(high, known_high), servers)
        else:
            found[pair] = (low, high, [server])
    return {
        pair: ClockOffset(*pair, low, high, tuple(servers))
        for pair, (low, high, servers) in found.items()
        if low <= high
    }


def _skewed(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    kinds, parents = explanation.spans.kinds, explanation.tree.parents
    starts, ends = _sent_times(explanation)
    tolerance_ns = thresholds.clock_skew_ns
    # A server that began before it was called, or after the call was answered: no true clock says
    # so. An answer that only ends late may belong to a server that closes its span late. Hosts
    # cost more to look at than times, and most answers lie where they belong.
    impossible = {
        server
        for server, kind in enumerate(kinds)
        if kind == _SERVER
        and (client := parents[server]) != NO_PARENT
        and kinds[client] == _CLIENT
        and (
            starts[server] < starts[client] - tolerance_ns
            or starts[server] >= ends[client] + tolerance_ns
        )
    }
    if not impossible:
        return
    told: set[frozenset[str]] = set()
    offsets = clock_offsets(explanation)
    for pair in sorted(offsets, key=lambda pair: (-abs(offsets[pair].least_ns), pair)):
        offset = offsets[pair]
        if abs(offset.least_ns) < thresholds.clock_skew_ns or frozenset(pair) in told:
            continue
        if impossible.isdisjoint(offset.servers):
            continue
        told.add(frozenset(pair))
        yield _finding(explanation, offset, _shifted(explanation, offset, impossible), thresholds)


def _sent_times(explanation: Explanation) -> tuple[list[int], list[int]]:
    """Starts and ends before any clock was put right: corrected times prove nothing any more."""
    spans = explanation.spans
    if not explanation.offsets_ns:
        return spans.starts, spans.ends
    everyone = range(len(spans))
    return (
        [explanation.sent_start(i) for i in everyone],
        [explanation.sent_end(i) for i in everyone],
    )


def _shifted(explanation: Explanation, offset: ClockOffset, impossible: set[int]) -> list[int]:
    """The answers that bear that clock: those that prove it, and those between the same hosts that
    prove nothing (a server that closes its span after its caller) and are where none can be."""
    spans, parents = explanation.spans, explanation.tree.parents
    others = (
        server
        for server in sorted(impossible.difference(offset.servers))
        if spans.text(server, CLOCK) == offset.host
        and spans.text(parents[server], CLOCK) == offset.other
    )
    return [*offset.servers, *others]


def _finding(
    explanation: Explanation, offset: ClockOffset, shifted: list[int], thresholds: Thresholds
) -> Finding:
    spans, parents = explanation.spans, explanation.tree.parents
    starts, ends = spans.starts, spans.ends
    # An answer that writes is named before one that reads, since a wrong clock also stamps what
    # it writes; of equals the longest, which people will look for.
    server = min(shifted, key=lambda i: (_only_reads(spans, i), starts[i] - ends[i], i))
    span, other, host, right = server, parents[server], offset.host, offset.other
    is_ahead = offset.least_ns < 0
    shifts = {shift.host: shift for shift in explanation.clocks.shifts}
    if right in shifts and host not in shifts:
        # Many traces say that it is the calling host whose clock is wrong.
        span, other, host, right, is_ahead = other, span, right, host, not is_ahead
    direction = "ahead of" if is_ahead else "behind"
    least_ns = abs(offset.least_ns)
    most_ns = max(abs(offset.low_ns), abs(offset.high_ns))
    is_grave = least_ns >= thresholds.clock_skew_warning_ns
    calls = len(offset.servers)
    return Finding(
        detector=CLOCK_SKEW.identifier,
        severity=FindingSeverity.WARNING if is_grave else FindingSeverity.INFO,
        trace_id=explanation.trace_id,
        span_ids=tuple(spans.span_ids[i] for i in _evidence(explanation, offset))[:_MOST_SPAN_IDS],
        service=spans.services[span],
        operation=spans.names[span],
        saving_ns=0,
        reason=(
            f"The clock of {named(host)} ({named(spans.services[span])}) is {direction} that of "
            f"{named(right)} ({named(spans.services[other])}) by "
            f"{between_text(least_ns, most_ns)}: with that, "
            + (
                "the answer to the call fits into it."
                if calls == 1
                else f"the answers to all {counted(calls, 'call')} fit into them."
            )
        ),
        action=f"Check time synchronisation (NTP, chrony) on {named(host)}. "
        + _what_was_done(shifts.get(host)),
        fingerprint=fingerprint_of(CLOCK_SKEW.identifier, offset.other, offset.host),
    )


def _evidence(explanation: Explanation, offset: ClockOffset) -> list[int]:
    """The answers and their calls, then what else was told by the same clock below them."""
    spans, tree = explanation.spans, explanation.tree
    evidence = [i for each in offset.servers for i in (each, tree.parents[each])]
    waiting = list(offset.servers)
    while waiting and len(evidence) < _MOST_SPAN_IDS:
        below = tree.children[waiting.pop(0)]
        same = [child for child in below if spans.text(child, CLOCK) == offset.host]
        evidence += same
        waiting += same
    return evidence


def _only_reads(spans: PathSpans, index: int) -> bool:
    return (spans.text(index, METHOD) or "").upper() in _READING


def telling(operation: str) -> int:
    """What to add to the number of spans that show a finding, so that of the traces of one pair of
    hosts one that names an operation that writes speaks for all; as within a trace. HTTP servers
    name their spans by method and route."""
    return 0 if operation.partition(" ")[0].upper() in _READING else 1 + _MOST_SPAN_IDS


def _what_was_done(shift: ClockShift | None) -> str:
    if shift is None:
        return (
            "Until then, read times across these hosts with care: what lies outside of its call "
            "is kept off the critical path."
        )
    direction = "back" if shift.offset_ns < 0 else "forward"
    return (
        f"Its spans are shifted {direction} by {duration_text(abs(shift.offset_ns))} here, which "
        f"{counted(shift.calls, 'call')} show; the times that were sent are kept beside."
    )


CLOCK_SKEW = Detector(
    IDENTIFIER,
    "Clocks of two hosts disagree",
    "A SERVER span begins before the CLIENT span that it answers, or after its end, on another "
    "host (`host.id`, else `host.name`, else `service.instance.id`), and one constant offset of at "
    "least `clock_skew_ns` puts all answers between these two hosts inside their calls. Failed "
    "calls that were answered late, messages, and answers longer than their calls prove nothing. "
    "The operation named is one that writes, if any does, else the longest. Information, a "
    "warning from `clock_skew_warning_ns` on.",
    _skewed,
)

DETECTORS: tuple[Detector, ...] = (CLOCK_SKEW,)
