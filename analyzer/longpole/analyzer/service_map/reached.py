"""Whom each span reaches: the calls between services, to what is not instrumented, and through
queues.

    web ──call──▶ order          a span whose parent is of another service
    order ──call──▶ postgresql   a client span below which nobody answers: a peer by its attributes
    order ──send──▶ orders ──receive──▶ mail     producer and consumer spans meet at a destination
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from longpole.analyzer.calls import DB_SYSTEM, MESSAGING_SYSTEM, PEER, URL, host_of_url
from longpole.analyzer.findings.window.span_columns import NO_ROW, SpanColumns, Words
from longpole.analyzer.service_map.map_spans import DESTINATION
from longpole.model.span import SpanKind

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_CLIENT, _SERVER = int(SpanKind.CLIENT), int(SpanKind.SERVER)
_PRODUCER, _CONSUMER = int(SpanKind.PRODUCER), int(SpanKind.CONSUMER)
_ADDRESS = ("peer.service", "server.address", "net.peer.name")
_ERROR = 2
_MOST_DOUBLINGS = 24  # of the way up within one service: 16 million levels


class NodeKind(StrEnum):
    """What a node of the map is."""

    SERVICE = "service"
    DATABASE = "database"
    QUEUE = "queue"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls as columns, one row a call. `source` and `target` are node numbers, `rows` the span
    that makes it (or receives it from a queue), `entry` the span by which it enters a service
    (NO_ROW for a peer), `is_leaf` that the time of the span itself was spent waiting for a peer."""

    source: Ints
    target: Ints
    is_async: Bools
    is_error: Bools
    duration_ns: Ints
    rows: Ints
    entry: Ints
    is_leaf: Bools


@dataclass(slots=True)
class Nodes:
    """Nodes in the order in which they were met, by kind and name; `systems` has the database or
    the messaging system of those that name one."""

    numbers: dict[tuple[NodeKind, str], int]
    systems: dict[int, str]

    def number(self, kind: NodeKind, name: str) -> int:
        """The number of a node, which is new when it was not met before."""
        return self.numbers.setdefault((kind, name), len(self.numbers))


@dataclass(frozen=True, slots=True)
class Reached:
    """All calls, the node of the service of every span, and for every span the span by which its
    service was entered (itself, where its parent is missing or of another service).
    `unnamed_calls` leave the instrumented world for somebody whom no attribute names."""

    nodes: Nodes
    service: Ints
    boundary: Ints
    calls: Calls
    unnamed_calls: int


def reached(spans: SpanColumns) -> Reached:
    """The calls of these spans. Nothing here is done span by span in Python."""
    count = len(spans)
    nodes = Nodes({}, {})
    of_code = [nodes.number(NodeKind.SERVICE, text) for text in spans.service.texts]
    nameless = nodes.number(NodeKind.SERVICE, "") if (spans.service.codes < 0).any() else 0
    service = np.array([*of_code, nameless], np.int64)[spans.service.codes]
    parents, kinds = spans.parents, spans.kinds
    above = np.maximum(parents, 0)
    has_parent = parents != NO_ROW
    crosses = has_parent & (service != service[above]) if count else np.zeros(0, np.bool_)
    boundary = _boundaries(parents, ~has_parent | crosses)
    destination = spans.words(*DESTINATION)
    has_destination = destination.codes >= 0
    sends = (kinds == _PRODUCER) & has_destination
    receives = (kinds == _CONSUMER) & has_destination
    # Of a receive and the process below it, the outer one counts.
    receives &= ~(has_parent & (kinds[above] == _CONSUMER) & ~crosses)
    through_queue = crosses & (sends[above] | receives)
    direct = np.flatnonzero(crosses & ~through_queue)
    leaves, peer_of, unnamed = _leaves(spans, nodes, crosses, sends)
    queue_of = _queue_nodes(spans, nodes, destination, sends | receives)
    parts = [
        _direct(spans, service, direct),
        _outward(spans, service, leaves, peer_of[leaves], is_async=False),
        _outward(
            spans, service, np.flatnonzero(sends), queue_of[np.flatnonzero(sends)], is_async=True
        ),
        _received(spans, service, np.flatnonzero(receives), queue_of, boundary),
    ]
    calls = Calls(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return Reached(nodes, service, boundary, calls, unnamed)


def _boundaries(parents: Ints, enters: Bools) -> Ints:
    """For each row the nearest one at or above it by which its service was entered."""
    own = np.arange(len(parents))
    found = np.where(enters, own, parents)
    for _ in range(_MOST_DOUBLINGS):
        higher = found[found]
        if np.array_equal(higher, found):
            return found
        found = higher
    return np.where(enters[found], found, own)  # parents in a ring


def _leaves(
    spans: SpanColumns, nodes: Nodes, crosses: Bools, sends: Bools
) -> tuple[Ints, Ints, int]:
    """Rows that call somebody who sent no span, the node that each row's attributes name (-1:
    nobody), and how many such calls name nobody."""
    kinds, parents = spans.kinds, spans.parents
    system = spans.words(*DB_SYSTEM)
    is_call = (kinds == _CLIENT) | (kinds == _PRODUCER) | ((system.codes >= 0) & (kinds != _SERVER))
    is_call &= ~sends
    is_answered = np.zeros(len(spans), np.bool_)
    is_answered[parents[crosses]] = True
    is_call &= ~is_answered
    # A driver's span inside of that of its mapper is the same call.
    inner = np.flatnonzero(is_call & (parents != NO_ROW))
    is_outer = np.zeros(len(spans), np.bool_)
    is_outer[parents[inner]] = True
    is_call &= ~is_outer
    named = _peer_nodes(spans, nodes, system, is_call)
    rows = np.flatnonzero(is_call & (named >= 0))
    return rows, named, int((is_call & (named < 0)).sum())


def _peer_nodes(spans: SpanColumns, nodes: Nodes, system: Words, is_call: Bools) -> Ints:
    names, urls, messaging = spans.words(*PEER), spans.words(*URL), spans.words(*MESSAGING_SYSTEM)
    hosts = [host_of_url(url) or "" for url in urls.texts]
    addresses, namespaces = spans.words(*_ADDRESS), spans.words("db.namespace")
    columns = (
        names.codes, urls.codes, system.codes, messaging.codes, addresses.codes, namespaces.codes
    )  # fmt: skip
    services = {name for kind, name in nodes.numbers if kind is NodeKind.SERVICE}

    def node(name: int, url: int, database: int, broker: int, address: int, namespace: int) -> int:
        if database >= 0:
            # Without an address the name of the database tells more than its maker's.
            is_bare = address < 0 <= namespace
            called = namespaces.texts[namespace] if is_bare else names.texts[name]
            number = nodes.number(NodeKind.DATABASE, called)
            nodes.systems.setdefault(number, system.texts[database])
            return number
        peer = names.texts[name] if name >= 0 else hosts[url] if url >= 0 else ""
        if not peer:
            return -1
        if peer in services:
            return nodes.number(NodeKind.SERVICE, peer)
        number = nodes.number(NodeKind.QUEUE if broker >= 0 else NodeKind.EXTERNAL, peer)
        if broker >= 0:
            nodes.systems.setdefault(number, messaging.texts[broker])
        return number

    return _by_combination(columns, is_call, node)


def _queue_nodes(spans: SpanColumns, nodes: Nodes, destination: Words, wanted: Bools) -> Ints:
    messaging = spans.words(*MESSAGING_SYSTEM)

    def node(name: int, broker: int) -> int:
        number = nodes.number(NodeKind.QUEUE, destination.texts[name])
        if broker >= 0:
            nodes.systems.setdefault(number, messaging.texts[broker])
        return number

    return _by_combination((destination.codes, messaging.codes), wanted, node)


def _by_combination(columns: tuple[Ints, ...], wanted: Bools, node: Callable[..., int]) -> Ints:
    """What `node` says of the codes of each wanted row, asked once for each combination; -1
    elsewhere."""
    found = np.full(len(wanted), -1, np.int64)
    rows = np.flatnonzero(wanted)
    if len(rows):
        stacked = np.stack([column[rows] for column in columns])
        combinations, places = np.unique(stacked, axis=1, return_inverse=True)
        numbers = [node(*codes) for codes in combinations.T.tolist()]
        found[rows] = np.array(numbers, np.int64)[places.reshape(-1)]
    return found


def _direct(spans: SpanColumns, service: Ints, rows: Ints) -> tuple[Ints | Bools, ...]:
    """Calls that a span of the callee answers. What the caller saw counts, where it has a client
    span of its own."""
    callers = spans.parents[rows]
    is_client = np.isin(spans.kinds[callers], (_CLIENT, _PRODUCER))
    is_async = (spans.kinds[rows] == _CONSUMER) | (spans.kinds[callers] == _PRODUCER)
    is_error = (spans.status[rows] == _ERROR) | (is_client & (spans.status[callers] == _ERROR))
    durations = spans.durations
    # Nobody waits for the consumer of a message: its own time is what the call takes.
    duration = np.where(is_client & ~is_async, durations[callers], durations[rows])
    leaf = np.zeros(len(rows), np.bool_)
    return service[callers], service[rows], is_async, is_error, duration, callers, rows, leaf


def _outward(
    spans: SpanColumns, service: Ints, rows: Ints, targets: Ints, *, is_async: bool
) -> tuple[Ints | Bools, ...]:
    """Calls of whom no span tells more than the one that makes them."""
    nobody = np.full(len(rows), NO_ROW, np.int64)
    waits = np.full(len(rows), is_async, np.bool_)
    leaf = np.ones(len(rows), np.bool_)
    is_error = spans.status[rows] == _ERROR
    return service[rows], targets, waits, is_error, spans.durations[rows], rows, nobody, leaf


def _received(
    spans: SpanColumns, service: Ints, rows: Ints, queue_of: Ints, boundary: Ints
) -> tuple[Ints | Bools, ...]:
    """Messages that a service takes from a queue."""
    is_async, leaf = np.ones(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
    entry = np.where(boundary[rows] == rows, rows, NO_ROW)
    is_error = spans.status[rows] == _ERROR
    durations = spans.durations[rows]
    return queue_of[rows], service[rows], is_async, is_error, durations, rows, entry, leaf
