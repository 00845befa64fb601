"""Chains of services: those in which each waits for the next, and those that come back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detector import Detector, fingerprint_of
from longpole.analyzer.findings.path_time import path_time
from longpole.analyzer.findings.survey import survey_of
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.tree import NO_PARENT
from longpole.analyzer.wording import counted, duration_text, named, share_text
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import SpanKind

_MOST_SPAN_IDS = 50
_MOST_SERVICES_IN_WORDS = 10
_MOST_OPERATIONS_IN_WORDS = 3
_SERVER = int(SpanKind.SERVER)
_FEW_VISITS = 50
# What stands between two services and has one name everywhere is no service of its own.
_PROXY = re.compile(
    r"envoy|istio|linkerd|nginx|haproxy|traefik|proxy|ingress|sidecar|load-?balancer",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def is_proxy(service: str) -> bool:
    """Whether a service, by its name, only hands requests on."""
    return _PROXY.search(service) is not None


def _deep_chains(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    spans, root = explanation.spans, explanation.root
    if root < 0 or len(set(spans.services)) < thresholds.chain_services:
        return
    hops = _longest_hops(explanation)
    low, high = explanation.windows.starts, explanation.windows.ends
    held = [high[i] - low[i] for i in hops]
    for place in range(len(hops) - 1):
        held[place] -= held[place + 1]
    begin = 0
    while begin < len(hops):
        # A hop that keeps much of the time for itself ends the run: there that hop is what is
        # slow, not the chain. Windows nest, so no later head could be more patient.
        head_ns = high[hops[begin]] - low[hops[begin]]
        most_ns = head_ns * thresholds.chain_hop_share
        end = begin
        while end < len(hops) - 1 and held[end] <= most_ns:
            end += 1
        if held[end] > most_ns:
            begin = end + 1
            continue
        run = hops[begin : end + 1]
        services = list(dict.fromkeys(spans.services[i] for i in run))
        if len(services) >= thresholds.chain_services:
            yield _deep_chain(explanation, thresholds, hops[0], run, held[begin : end + 1])
        begin = end + 1


def _longest_hops(explanation: Explanation) -> list[int]:
    """SERVER spans from the root down, one for each service entered; of several that were called
    the one that took longest. Only what was waited for counts, and proxies are passed over."""
    spans, found, order = explanation.spans, explanation.windows, explanation.tree.order
    low, high, blocking = found.starts, found.ends, found.blocking
    longest = [NO_PARENT] * len(spans)  # the longest hop at or below a span
    following = [NO_PARENT] * len(spans)
    for index in reversed(order):
        best = NO_PARENT
        for child in blocking[index]:
            hop = longest[child]
            if hop >= 0 and (best < 0 or high[hop] - low[hop] > high[best] - low[best]):
                best = hop
        if spans.kinds[index] == _SERVER and not is_proxy(spans.services[index]):
            following[index] = best
            best = index
        longest[index] = best
    hops: list[int] = []
    hop = longest[explanation.root]
    while hop >= 0:
        hops.append(hop)
        hop = following[hop]
    return hops


def _deep_chain(
    explanation: Explanation,
    thresholds: Thresholds,
    entry: int,
    run: list[int],
    held: list[int],
) -> Finding:
    """`entry` is the request that waits for the chain, or its first hop."""
    spans, head = explanation.spans, run[0]
    services = list(dict.fromkeys(spans.services[i] for i in run))
    service, operation = spans.services[entry], spans.names[entry]
    on_path_ns = path_time(explanation, [head])
    saving_ns = max(0, on_path_ns - max(held))
    severity = FindingSeverity.INFO
    if saving_ns:
        is_critical = len(services) >= thresholds.chain_critical_services
        severity = FindingSeverity.CRITICAL if is_critical else FindingSeverity.WARNING
    told = [named(service) for service in services[:_MOST_SERVICES_IN_WORDS]]
    if len(services) > len(told):
        told.append(f"{len(services) - len(told)} more")
    chain_ns = sum(held)
    return Finding(
        detector=DEEP_SYNC_CHAIN.identifier,
        severity=severity,
        trace_id=explanation.trace_id,
        span_ids=tuple(spans.span_ids[i] for i in dict.fromkeys((entry, *run)))[:_MOST_SPAN_IDS],
        service=service,
        operation=operation,
        saving_ns=saving_ns,
        reason=(
            f"{named(service)} › {named(operation)} waits for "
            f"{counted(len(services), 'service')} that wait for each other, "
            f"{' → '.join(told)}: {duration_text(chain_ns)} in all, of which none keeps more than "
            f"{share_text(max(held) / chain_ns if chain_ns else 0)} for itself."
        ),
        action=(
            f"Flatten the chain: let {named(service)} ask the services it needs at "
            "the same time, or keep what the far ones know nearer (a copy, an event)."
        ),
        fingerprint=fingerprint_of(DEEP_SYNC_CHAIN.identifier, service, operation),
    )


@dataclass(frozen=True, slots=True)
class _Visit:
    """A stay in one service: the span it was entered by, and the stay it was called from."""

    service: str
    entry: int
    caller: int  # -1 where nothing waits


@dataclass(frozen=True, slots=True)
class _Return:
    """A call back into a service that waits: where its caller asks (`call`), the span it enters
    by (`entry`), and the one by which the service was entered before (`outer`)."""

    call: int
    entry: int
    outer: int


def _cycles(explanation: Explanation, _: Thresholds) -> Iterator[Finding]:
    if not _is_entered_twice(explanation):
        return
    visits = _visits(explanation)
    if len(visits) <= _FEW_VISITS and not _comes_back(visits):
        return
    spans = explanation.spans
    # Two services that keep calling each other come back to both, by many operations: that is
    # one fault, told of the one that is entered again first.
    pairs: dict[frozenset[str], list[_Return]] = {}
    for earlier, later in _returns(visits):
        entry = visits[later].entry
        via = visits[visits[later].caller].service
        call = explanation.tree.parents[entry]
        place = call if spans.services[call] == via else entry
        back = _Return(place, entry, visits[earlier].entry)
        pairs.setdefault(frozenset((visits[later].service, via)), []).append(back)
    for pair in sorted(pairs, key=sorted):
        yield _cycle(explanation, pair, pairs[pair])


def _is_entered_twice(explanation: Explanation) -> bool:
    """Whether any service is, which few traces show: all else costs more to find out."""
    spans, roots = explanation.spans, explanation.tree.roots
    kinds, services = spans.kinds, spans.services
    entered = [service for kind, service in zip(kinds, services, strict=True) if kind == _SERVER]
    entered += (services[i] for i in (*roots, *explanation.detached) if kinds[i] != _SERVER)
    return len(set(entered)) < len(entered)


def _visits(explanation: Explanation) -> list[_Visit]:
    """Stays, callers before callees. A proxy belongs to the stay that called it."""
    spans, tree, detached = explanation.spans, explanation.tree, explanation.detached
    services, kinds, parents = spans.services, spans.kinds, tree.parents
    visit_of = [NO_PARENT] * len(spans)
    visits: list[_Visit] = []
    for index in tree.order:
        parent = parents[index]
        if parent != NO_PARENT and index not in detached:
            within = visit_of[parent]
            service = services[index]
            if service == visits[within].service or kinds[index] != _SERVER or is_proxy(service):
                visit_of[index] = within
                continue
            caller = within
        else:
            caller = NO_PARENT
        visit_of[index] = len(visits)
        visits.append(_Visit(services[index], index, caller))
    return visits


def _comes_back(visits: list[_Visit]) -> bool:
    """Whether `_returns` has anything to tell: by climbing from each stay, which is quicker than
    to go through all of them as long as they are few."""
    for visit in visits:
        above = visit.caller
        while above != NO_PARENT:
            if visits[above].service == visit.service:
                return True
            above = visits[above].caller
    return False


def _returns(visits: list[_Visit]) -> Iterator[tuple[int, int]]:
    """Pairs (earlier stay, later stay in the same service below it)."""
    callees: dict[int, list[int]] = {}
    for place, visit in enumerate(visits):
        callees.setdefault(visit.caller, []).append(place)
    under_way: dict[str, list[int]] = {}
    waiting = [(place, False) for place in reversed(callees.get(NO_PARENT, []))]
    while waiting:
        place, is_left = waiting.pop()
        stays = under_way.setdefault(visits[place].service, [])
        if is_left:
            stays.pop()
            continue
        if stays:
            yield stays[-1], place
        stays.append(place)
        waiting.append((place, True))
        waiting.extend((callee, False) for callee in reversed(callees.get(place, ())))


def _cycle(explanation: Explanation, pair: frozenset[str], returns: list[_Return]) -> Finding:
    spans = explanation.spans
    service = spans.services[returns[0].entry]
    (via,) = pair - {service}
    outer = spans.names[returns[0].outer]
    saving_ns = path_time(explanation, (back.call for back in returns))
    inward = [back for back in returns if spans.services[back.entry] == service]
    operations = _operations(explanation, inward)
    operation, *others = operations
    told = ", ".join(named(one) for one in (operation, *others[: _MOST_OPERATIONS_IN_WORDS - 1]))
    if len(operations) > _MOST_OPERATIONS_IN_WORDS:
        told += f" and {len(operations) - _MOST_OPERATIONS_IN_WORDS} more operations"
    times = "" if len(inward) == 1 else f" {len(inward):,} times"
    return Finding(
        detector=CYCLIC_DEPENDENCY.identifier,
        severity=FindingSeverity.WARNING,
        trace_id=explanation.trace_id,
        span_ids=_evidence(explanation, returns),
        service=via,
        operation=operation,
        saving_ns=saving_ns,
        reason=(
            f"{named(service)} › {named(outer)} waits for {named(via)}, which calls back into "
            f"{named(service)}{times} ({told}, {duration_text(saving_ns)} of the "
            "path): when all workers wait like this, none is left to answer."
        ),
        action=(
            f"Hand {named(via)} what it asks for in the request, move that part to a service "
            "both may call, or answer first and go on by an event."
        ),
        fingerprint=fingerprint_of(CYCLIC_DEPENDENCY.identifier, *sorted(pair)),
    )


def _operations(explanation: Explanation, returns: list[_Return]) -> list[str]:
    """The names of what is called back, that with the most path time first. Of calls within each
    other the time counts for each: this is only an order, and must not walk through the trace
    once for every name."""
    names, path_ns = explanation.spans.names, survey_of(explanation).path_ns
    held: Counter[str] = Counter()
    for back in returns:
        held[names[back.call]] += path_ns(back.call)
    return sorted(held, key=lambda name: (-held[name], name))


def _evidence(explanation: Explanation, returns: list[_Return]) -> tuple[int, ...]:
    """Span ids, one return of every operation before the second of any."""
    names, ids = explanation.spans.names, explanation.spans.span_ids
    met: Counter[str] = Counter()
    rounds: list[tuple[int, int]] = []
    for place, back in enumerate(returns):
        rounds.append((met[names[back.call]], place))
        met[names[back.call]] += 1
    order = [returns[place] for _, place in sorted(rounds)]
    found = dict.fromkeys(i for back in order for i in (back.call, back.entry, back.outer))
    return tuple(dict.fromkeys(ids[i] for i in found))[:_MOST_SPAN_IDS]


DEEP_SYNC_CHAIN = Detector(
    "deep_sync_chain",
    "A deep chain of services that wait for each other",
    "`chain_services` services or more, each waiting for the next, and none keeping more than "
    "`chain_hop_share` of the chain's time for itself. A warning, critical from "
    "`chain_critical_services` on. The saving is what is left beside the longest hop if all "
    "worked at the same time. Proxies do not count.",
    _deep_chains,
)
CYCLIC_DEPENDENCY = Detector(
    "cyclic_dependency",
    "Services that call each other in a circle",
    "A SERVER span of a service below another one of the same service, with a different service "
    "between them, all of them waited for. Calls of a service to itself and by way of messages "
    "are no cycle, and proxies do not count. One finding for two services, by however many "
    "operations they call each other. A warning.",
    _cycles,
)

DETECTORS: tuple[Detector, ...] = (DEEP_SYNC_CHAIN, CYCLIC_DEPENDENCY)
