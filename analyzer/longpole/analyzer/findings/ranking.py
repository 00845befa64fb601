"""Ranking: which fault to read first, and which faults are only what another one causes.

A slow query makes its callers time out; an open breaker makes requests fail. Both show, and the
one to mend is the cause: the finding that says most exactly what is wrong, with its evidence at or
below the spans of the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from longpole.analyzer.findings.detect import severity_rank

# From what is wrong with a process or a resource, over what code does and how callers react, to
# what merely shows. A finding can only be explained by one of an earlier line.
_LINES: tuple[str, ...] = (
    "pause version_regression cold_start circuit_open rate_limited pool_wait clock_skew",
    "slow_db_query n_plus_one_db n_plus_one_http redundant_call sequential_calls cyclic_dependency "
    "poison_message large_http_payload excessive_fanout chatty_service deep_sync_chain",
    "retry_storm",
    "saga_compensation saga_uncompensated shared_database queue_lag",
    "uninstrumented_gap",
    "client_timeout timeout_inversion error_propagation",
    "absorbed_error log_burst",
)
_LINE_OF = {name: line for line, names in enumerate(_LINES) for name in names.split()}
# A call that is refused has the same cause as the one before that failed: these explain what
# happens to the same operation in other traces too.
_ACROSS_TRACES = frozenset({"circuit_open", "version_regression"})
# What shows somewhere in a trace, not in the spans that are to blame.
_SOMEWHERE = frozenset({"log_burst"})
_MOSTLY = 0.5  # of the traces of a finding must be explained


@dataclass(frozen=True, slots=True)
class Shown:
    """What ranking needs of one finding. `evidence` has, by trace id, the ids of some spans;
    `above` the ids of these spans and all that are above them; `operations` service and name of
    the spans of the evidence."""

    fingerprint: str
    detector: str
    severity: str
    saving_ns: int
    trace_count: int
    evidence: Mapping[int, frozenset[int]] = field(default_factory=dict)
    above: Mapping[int, frozenset[int]] = field(default_factory=dict)
    operations: frozenset[tuple[str, str]] = frozenset()


def causes(shown: Sequence[Shown]) -> dict[str, str]:
    """Fingerprint of a finding and of the one that explains it; of several the one that explains
    most of it, then the most exact."""
    found: dict[str, str] = {}
    for symptom in shown:
        candidates = [
            (share, -_LINE_OF.get(cause.detector, 0), cause.fingerprint)
            for cause in shown
            if _line(cause) < _line(symptom)
            and (share := _explained_share(cause, symptom)) >= _MOSTLY
        ]
        if candidates:
            found[symptom.fingerprint] = max(candidates)[2]
    return found


def ranked(shown: Sequence[Shown]) -> list[Shown]:
    """The one to mend first in front: those that nothing explains before the others, then the
    gravest (a cause is as grave as what it causes), then by the time on critical paths, then the
    most frequent. Ties by fingerprint, so that the order never depends on arrival."""
    by_print = {one.fingerprint: one for one in shown}
    cause_of = causes(shown)
    gravest = {one.fingerprint: severity_rank(one.severity) for one in shown}
    costs = {one.fingerprint: one.saving_ns for one in shown}
    for symptom, cause in cause_of.items():
        # Causes are of earlier lines, so that this ends.
        at: str | None = cause
        while at is not None:
            gravest[at] = min(gravest[at], severity_rank(by_print[symptom].severity))
            costs[at] = max(costs[at], by_print[symptom].saving_ns)
            at = cause_of.get(at)
    return sorted(
        shown,
        key=lambda one: (
            one.fingerprint in cause_of,
            gravest[one.fingerprint],
            -costs[one.fingerprint],
            -one.trace_count,
            one.fingerprint,
        ),
    )


def _line(one: Shown) -> int:
    return _LINE_OF.get(one.detector, len(_LINES))


def _explained_share(cause: Shown, symptom: Shown) -> float:
    """Of the traces of `symptom`, the share in which `cause` is at or below its spans."""
    if not symptom.evidence:
        return 0.0
    if cause.detector in _ACROSS_TRACES and cause.operations & symptom.operations:
        return 1.0
    explained = 0
    for trace_id, spans in symptom.evidence.items():
        above = cause.above.get(trace_id)
        if above is not None and (symptom.detector in _SOMEWHERE or above & spans):
            explained += 1
    return explained / len(symptom.evidence)
