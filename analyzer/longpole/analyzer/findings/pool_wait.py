"""Pool waits: requests queue for a connection of a database's pool."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detector import Detector
from longpole.analyzer.findings.evidence import found
from longpole.analyzer.findings.repeated_calls import DATABASE, is_database
from longpole.analyzer.findings.survey import Survey, survey_of
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.wording import counted, duration_text, named, share_text
from longpole.model.finding import Finding, FindingSeverity

IDENTIFIER = "pool_wait"
POOL = ("db.client.connection.pool.name", "db.client.connections.pool.name", "pool.name")
# What instrumentations of pools call the wait: HikariCP's and JDBC's getConnection,
# SQLAlchemy's, pgx's and database/sql's acquire, Sequelize's and others' names.
_WAIT = re.compile(
    r"(?:^|[\s./:_-])(?:pool|pools|connection|connections|hikari|datasource|jdbc|db|pgxpool|pg)"
    r"(?:pool)?[\s./:_-]+(?:acquire|checkout|check_out|wait|borrow|get_?connection|take)\b"
    r"|(?:^|[\s./:])get_?connection\b|\b(?:acquire|checkout|borrow)[\s_.-]+connection\b"
    r"|\bpool-pg\.connect\b|\bpg-pool\.connect\b",
    re.IGNORECASE,
)
_SHORTEST_NS = 1_000_000
_LONGEST_NAME = 200  # of a name is looked at


def is_waiting_for_connection(spans: PathSpans, index: int) -> bool:
    """Whether a span stands for the wait for a connection, by its name or the pool it names."""
    return _is_name_of_wait(spans.names[index]) or (
        spans.text(index, POOL) is not None and not _asks(spans, index)
    )


@lru_cache(maxsize=4096)
def _is_name_of_wait(name: str) -> bool:
    return _WAIT.search(name[:_LONGEST_NAME]) is not None


@lru_cache(maxsize=4096)
def _may_stand_for_wait(name: str) -> bool:
    """What `_looks_like_wait` needs of a name, asked once for all spans that bear it."""
    return _is_name_of_wait(name) or _mentions_pool(name)


@lru_cache(maxsize=4096)
def _mentions_pool(name: str) -> bool:
    return "pool" in name[:_LONGEST_NAME].lower()


def _asks(spans: PathSpans, index: int) -> bool:
    return spans.text(index, ("db.query.text", "db.statement", "db.operation.name")) is not None


def _look(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    survey = survey_of(explanation)
    if survey.longest_ns < min(thresholds.pool_wait_ns, _SHORTEST_NS):
        return
    spans, durations = explanation.spans, survey.durations
    waits: dict[tuple[str, str], list[int]] = {}
    for index, name in enumerate(spans.names):
        # Names are looked at first: attributes of every span would cost far more.
        if (
            durations[index] >= _SHORTEST_NS
            and _may_stand_for_wait(name)
            and _looks_like_wait(spans, index, name)
        ):
            waits.setdefault((spans.services[index], name), []).append(index)
    for (service, _), calls in waits.items():
        waited = sum(durations[c] for c in calls)
        if waited < thresholds.pool_wait_ns:
            continue
        behind = _query_ns(survey, service, set(calls))
        share = waited / (waited + behind)
        if share < thresholds.pool_wait_share:
            continue
        calls.sort(key=lambda c: (-durations[c], c))
        saving = sum(survey.path_ns(c) for c in calls)
        # Every pool is empty for a moment now and then, and no size of it prevents that.
        is_long = waited >= min(
            thresholds.pool_wait_warning_ns,
            thresholds.pool_wait_warning_share * explanation.duration_ns,
        )
        pool = spans.text(calls[0], POOL)
        of = f" of the pool {named(pool)}" if pool else ""
        longest = duration_text(durations[calls[0]])
        yield found(
            explanation,
            IDENTIFIER,
            calls[0],
            calls,
            saving_ns=saving,
            reason=f"{named(service)} waits {duration_text(waited)} for a connection{of} "
            f"({counted(len(calls), 'wait')}, the longest {longest}): "
            f"{share_text(share)} of its database time.",
            action="Find what holds the connections (leaks, long transactions, calls made inside "
            "a transaction), give them back sooner; only then enlarge the pool.",
            severity=FindingSeverity.WARNING if is_long else FindingSeverity.INFO,
            where=(pool or "",),
        )
    yield from _crowds(survey, thresholds)


def _looks_like_wait(spans: PathSpans, index: int, name: str) -> bool:
    # Server spans are named by routes, which may contain any word.
    if spans.kinds[index] in (2, 5):
        return False
    return _is_name_of_wait(name) or (
        _mentions_pool(name) and is_waiting_for_connection(spans, index)
    )


def _query_ns(survey: Survey, service: str, waits: set[int]) -> int:
    """Time of a service's queries without the waits inside them."""
    spans, tree = survey.explanation.spans, survey.explanation.tree
    total = 0
    for index, name in enumerate(spans.services):
        if name != service or index in waits or not is_database(spans, index):
            continue
        if any(is_database(spans, c) and c not in waits for c in tree.children[index]):
            continue
        inside = sum(survey.durations[c] for c in tree.children[index] if c in waits)
        total += max(0, survey.durations[index] - inside)
    return total


def _crowds(survey: Survey, thresholds: Thresholds) -> Iterator[Finding]:
    """Many queries of one service at the same time: each holds a connection."""
    limit = thresholds.pool_queries_at_once
    if sum(map(len, survey.families)) < limit:
        return
    explanation = survey.explanation
    spans = explanation.spans
    by_service: dict[str, list[int]] = {}
    asked = spans.texts(DATABASE)
    if asked is None:
        return
    for family in survey.families:
        for index in family:
            if asked[index] is not None and not explanation.tree.children[index]:
                by_service.setdefault(spans.services[index], []).append(index)
    for service, queries in by_service.items():
        peak = peak_at_once(spans, queries)
        if len(peak) < limit:
            continue
        yield found(
            explanation,
            IDENTIFIER,
            peak[0],
            peak,
            saving_ns=0,
            reason=f"One request makes {named(service)} run {len(peak)} queries at the same "
            "time, each with a connection of its own.",
            action="Bound how many queries one request runs at once, or ask for more with each; "
            "otherwise a few such requests empty the connection pool.",
            where=("at once",),
        )


def peak_at_once(spans: PathSpans, indices: list[int]) -> list[int]:
    """Those of the spans that run at the instant when most do; an end frees its place before
    a start at the same instant takes one."""
    edges = sorted(
        edge
        for i in indices
        if spans.starts[i] < spans.ends[i]
        for edge in ((spans.starts[i], 1, i), (spans.ends[i], 0, i))
    )
    running: set[int] = set()
    most = at = 0
    for when, is_start, index in edges:
        if is_start:
            running.add(index)
            if len(running) > most:
                most, at = len(running), when
        else:
            running.discard(index)
    return sorted(i for i in indices if spans.starts[i] <= at < spans.ends[i])


DETECTORS: tuple[Detector, ...] = (
    Detector(
        IDENTIFIER,
        "Waiting for a connection",
        "Spans that stand for the wait for a pooled connection (`db.pool.acquire`, "
        "`getConnection`, and other names of pools) take `pool_wait_ns` in one trace and "
        "`pool_wait_share` of the service's database time. A warning from `pool_wait_warning_ns` "
        "or `pool_wait_warning_share` of the whole trace on. Info: at least "
        "`pool_queries_at_once` queries of one service at the same time.",
        _look,
    ),
)
