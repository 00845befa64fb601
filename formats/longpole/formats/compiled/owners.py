"""Who sent the records of a request: resources and scopes, each read once for many requests.

They are few and come again with every request, so the reference decoder reads each of them by
its bytes, and what it made of them is remembered.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from longpole.formats import any_value, wire
from longpole.formats.compiled import layout
from longpole.formats.compiled.scanning import Scanned
from longpole.formats.compiled.wire_loops import Ints
from longpole.formats.envelope import Envelope
from longpole.formats.tally import Tally
from longpole.model import columns

# Resource, its schema URL, scope, its schema URL, as they stand in the request.
_Bytes: TypeAlias = tuple[bytes, bytes, bytes, bytes]

_REMEMBERED = 1024
_LARGEST_REMEMBERED_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class _Owner:
    """A scope of a resource: their ids, and the one row that each has in its table."""

    resource_id: int
    scope_id: int
    service: str
    resource: pa.Table
    scope: pa.Table


@dataclass(frozen=True, slots=True)
class Owners:
    """Resources and scopes of a request: their tables, and for each row of `scopes` the ids and
    the place of its service among `services`. Rows without records have zeros."""

    resources: pa.Table
    scopes: pa.Table
    resource_ids: NDArray[np.uint64]
    scope_ids: NDArray[np.uint64]
    services: pa.Array
    service_places: NDArray[np.int32]


class _Memory:
    """What was made of descriptions, those used last; safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[_Bytes, _Owner] = OrderedDict()

    def owner(self, description: _Bytes) -> _Owner | None:
        """None for a description that has to be altered."""
        with self._lock:
            known = self._known.get(description)
            if known is not None:
                self._known.move_to_end(description)
                return known
        owner = _read(description)
        if owner is not None and sum(map(len, description)) <= _LARGEST_REMEMBERED_BYTES:
            with self._lock:
                self._known[description] = owner
                if len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        return owner


_MEMORY = _Memory()


def owners_of(request: Scanned, of_records: Ints) -> Owners | None:
    """Those of a scanned request, of which records have these scopes; None when one of them is
    broken or has to be altered, whether there are records of it or not."""
    groups, scopes = request.kind(layout.GROUP), request.kind(layout.SCOPE)
    of_group = request.parents(scopes, layout.GROUP, layout.GROUP)
    resources = [_described(request.body, row) for row in groups.tolist()]
    # A resource without scopes is looked at, too: it may hold what has to be repaired.
    for alone in np.flatnonzero(np.bincount(of_group, minlength=len(groups)) == 0).tolist():
        if _MEMORY.owner((*resources[alone], b"", b"")) is None:
            return None
    is_used = np.bincount(of_records, minlength=len(scopes)) > 0
    resource_ids = np.zeros(len(scopes), np.uint64)
    scope_ids = np.zeros(len(scopes), np.uint64)
    places = np.zeros(len(scopes), np.int32)
    resource_rows: dict[int, pa.Table] = {}
    scope_rows: dict[int, pa.Table] = {}
    services: dict[str, int] = {}
    for index, row in enumerate(scopes.tolist()):
        owner = _MEMORY.owner((*resources[of_group[index]], *_described(request.body, row)))
        if owner is None:
            return None
        if not is_used[index]:
            continue
        resource_ids[index], scope_ids[index] = owner.resource_id, owner.scope_id
        resource_rows.setdefault(owner.resource_id, owner.resource)
        scope_rows.setdefault(owner.scope_id, owner.scope)
        places[index] = services.setdefault(owner.service, len(services))
    return Owners(
        _joined(columns.RESOURCES, list(resource_rows.values())),
        _joined(columns.SCOPES, list(scope_rows.values())),
        resource_ids,
        scope_ids,
        pa.array(list(services), pa.string()),
        places,
    )


def _joined(schema: pa.Schema, rows: list[pa.Table]) -> pa.Table:
    if len(rows) == 1:
        return rows[0]
    return pa.concat_tables(rows).combine_chunks() if rows else schema.empty_table()


def _described(body: bytes, row: list[int]) -> tuple[bytes, bytes]:
    """The message of a resource or scope, and its schema URL."""
    return (
        body[row[layout.OWNER] : row[layout.OWNER_END]],
        body[row[layout.OWNER_URL] : row[layout.OWNER_URL_END]],
    )


def _read(description: _Bytes) -> _Owner | None:
    resource, resource_url, scope, scope_url = description
    # A request of nothing else, so that what nests too deep in one does so in the other; the
    # numbers are those of every signal.
    in_scope = _field(2, _field(1, scope) + _field(3, scope_url))
    whole = _field(1, _field(1, resource) + in_scope + _field(3, resource_url))
    try:
        request = ExportTraceServiceRequest.FromString(whole)
    except DecodeError:
        return None
    tally = Tally()
    envelope = Envelope(tally)
    of_resource = request.resource_spans[0]
    of_scope = of_resource.scope_spans[0]
    resource_id, service = envelope.resource(of_resource.resource, of_resource.schema_url)
    scope_id = envelope.scope(of_scope.scope, of_scope.schema_url)
    if tally.problems():
        return None
    tables = envelope.tables()
    return _Owner(resource_id, scope_id, service, tables["resources"], tables["scopes"])


def _field(number: int, message: bytes) -> bytes:
    tag = any_value.varint(number << 3 | wire.BYTES)
    return tag + any_value.varint(len(message)) + message
