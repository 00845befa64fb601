"""Resources and scopes of one request: each distinct one is a row, keyed by its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from longpole.formats.attributes import AttributeColumns, AttributeLists
from longpole.formats.tally import Tally
from longpole.model import columns
from longpole.model.span import UNKNOWN_SERVICE


def identity(fields: Sequence[Any], attributes: AttributeLists) -> int:
    """The 64-bit key of a row by its content: BLAKE2b over canonical JSON in which
    attributes stand in the order of their keys and doubles as `repr` writes them. Never 0.
    """
    lists = attributes
    typed = [
        sorted(zip(lists.str_keys, lists.str_vals, strict=True)),
        sorted(zip(lists.int_keys, lists.int_vals, strict=True)),
        sorted(
            (key, repr(value)) for key, value in zip(lists.dbl_keys, lists.dbl_vals, strict=True)
        ),
        sorted(zip(lists.bool_keys, lists.bool_vals, strict=True)),
        sorted(zip(lists.other_keys, lists.other_vals, strict=True)),
    ]
    text = orjson.dumps([list(fields), typed])
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") or 1


class ContentRows:
    """Rows that are distinct by content; the first column is the content's key."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._rows: dict[int, tuple[Any, ...]] = {}
        self._attributes = AttributeColumns()

    def add(
        self,
        attributes: Sequence[KeyValue],
        tally: Tally,
        fields: Sequence[Any],
        *,
        service_of_attributes: bool = False,
    ) -> tuple[int, str]:
        """The row's key, and its service name (`unknown_service` if asked for and missing).
        `fields` are the columns between the key and the attributes."""
        self._attributes.add(attributes, tally)
        lists = self._attributes.last_row()
        service = ""
        if service_of_attributes:
            named = dict(zip(lists.str_keys, lists.str_vals, strict=True))
            service = named.get("service.name") or UNKNOWN_SERVICE
            fields = (service, *fields)
        key = identity(fields, lists)
        if key in self._rows:
            self._attributes.forget_last_row()
        else:
            self._rows[key] = (key, *fields)
        return key, service

    def table(self) -> pa.Table:
        """All rows, in the order in which they were first added."""
        names = [name for name in self._schema.names if name not in columns.ATTRIBUTE_COLUMNS]
        rows = list(self._rows.values())
        arrays = {
            name: pa.array([row[place] for row in rows], self._schema.field(name).type)
            for place, name in enumerate(names)
        }
        arrays.update(zip(columns.ATTRIBUTE_COLUMNS, self._attributes.arrays(), strict=True))
        return pa.table([arrays[name] for name in self._schema.names], schema=self._schema)


class Envelope:
    """The resources and scopes of a request."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._resources = ContentRows(columns.RESOURCES)
        self._scopes = ContentRows(columns.SCOPES)

    def resource(self, resource: Resource, schema_url: str) -> tuple[int, str]:
        """Its id and service name."""
        fields = (schema_url, resource.dropped_attributes_count)
        return self._resources.add(
            resource.attributes, self._tally, fields, service_of_attributes=True
        )

    def scope(self, scope: InstrumentationScope, schema_url: str) -> int:
        """Its id."""
        fields = (scope.name, scope.version, schema_url, scope.dropped_attributes_count)
        return self._scopes.add(scope.attributes, self._tally, fields)[0]

    def tables(self) -> dict[str, pa.Table]:
        """`resources` and `scopes`."""
        return {"resources": self._resources.table(), "scopes": self._scopes.table()}
