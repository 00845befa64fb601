"""OTLP/JSON requests to protobuf messages and back.

Hex ids and numbers beyond 2^53 are why protobuf's own JSON mapping is not used. What is
forgiven, and what is not, stands as a table in the room's README.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from google.protobuf.descriptor import FieldDescriptor
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from longpole.formats import any_value
from longpole.formats.json_fields import (
    ID_FIELDS,
    WRITTEN_AS_STRING,
    FieldFault,
    double,
    exact_number,
    fields_of,
    raw_bytes,
    scalar,
)
from longpole.formats.json_text import parse_json
from longpole.formats.malformed import MalformedRequest
from longpole.formats.tally import Tally

_ANY_VALUE = AnyValue.DESCRIPTOR
_RECORDS = frozenset({"spans", "log_records", "data_points"})
_INT64 = (-(2**63), 2**63 - 1)


def request_of_json(request_type: Any, body: bytes, tally: Tally) -> Any:
    """The request message of a JSON body; records with an unusable field are counted in the
    tally and left out. Raises `MalformedRequest`."""
    return request_of_tree(request_type, parse_json(body, tally), tally)


def request_of_tree(request_type: Any, tree: object, tally: Tally) -> Any:
    """The same for parsed JSON."""
    request = request_type()
    try:
        fill(request, tree, tally)
    except FieldFault as fault:
        raise MalformedRequest(f"The request cannot be read: {fault}.") from None
    return request


def fill(message: Any, tree: object, tally: Tally) -> None:
    """A message of any type from parsed JSON. Raises `FieldFault`."""
    _Reader(tally).message(message, tree)


class _Reader:
    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._trail: list[str] = []  # the path of the message being read

    def message(self, message: Any, tree: object) -> None:
        if message.DESCRIPTOR is _ANY_VALUE:
            self.any_value(message, tree, 0, 0)
            return
        if not isinstance(tree, dict):
            raise FieldFault("an object", tree)
        fields = fields_of(message.DESCRIPTOR)
        for key, content in tree.items():
            field = fields.get(key)
            if field is None or content is None:
                continue
            self._trail.append(f".{key}")
            try:
                self._field(message, field, content)
            except FieldFault as fault:
                raise fault.under(f".{key}") from None
            finally:
                self._trail.pop()

    def _field(self, message: Any, field: FieldDescriptor, content: object) -> None:
        if not field.is_repeated:
            if field.message_type is None:
                setattr(message, field.name, scalar(field, content))
            else:
                part = getattr(message, field.name)
                part.SetInParent()
                self.message(part, content)
            return
        if not isinstance(content, list):
            raise FieldFault("an array", content)
        target = getattr(message, field.name)
        if field.message_type is None:
            for index, item in enumerate(content):
                try:
                    target.append(scalar(field, item))
                except FieldFault as fault:
                    raise fault.under(f"[{index}]") from None
            return
        for index, item in enumerate(content):
            if item is None:
                continue
            self._trail.append(f"[{index}]")
            try:
                self.message(target.add(), item)
            except FieldFault as fault:
                fault.under(f"[{index}]")
                if field.name not in _RECORDS:
                    raise
                del target[-1]
                self._reject(fault.under("".join(self._trail[:-1])))
            finally:
                self._trail.pop()

    def _reject(self, fault: FieldFault) -> None:
        self._tally.reject("malformed_record", f"A record cannot be read and is not kept: {fault}.")

    def any_value(self, value: AnyValue, tree: object, depth: int, containers: int) -> None:
        """Fill in a value that lies inside `depth` containers, `containers` of them since
        the last wrapping."""
        if not isinstance(tree, dict):
            raise FieldFault("an object", tree)
        if containers >= any_value.CONTAINERS_PER_WRAP and _is_container(tree):
            inner = AnyValue()
            self.any_value(inner, tree, depth, 0)
            value.MergeFromString(any_value.wrap_bytes(inner.SerializeToString()))
            return
        fields = fields_of(_ANY_VALUE)
        for key, content in tree.items():
            field = fields.get(key)
            if field is None or content is None:
                continue
            try:
                if field.message_type is None:
                    self._any_scalar(value, field, content)
                elif depth >= any_value.CONTAINERS_KEPT:
                    value.string_value = any_value.TOO_DEEP
                    warn_too_deep(self._tally)
                else:
                    self._container(value, field.name, content, depth, containers)
            except FieldFault as fault:
                raise fault.under(f".{key}") from None

    def _any_scalar(self, value: AnyValue, field: FieldDescriptor, content: object) -> None:
        if field.name == "int_value":
            number = exact_number(content)
            if number is None:
                raise FieldFault("a whole number", content)
            if number == int(number) and _INT64[0] <= number <= _INT64[1]:
                value.int_value = int(number)
            else:
                value.double_value = float(number)
                self._tally.warn(
                    "integer_out_of_range",
                    "An intValue is no 64-bit integer; it is stored as a double.",
                )
        elif field.name == "double_value":
            value.double_value = double(content)
        elif field.name == "bytes_value":
            value.bytes_value = raw_bytes(content)
        else:
            setattr(value, field.name, scalar(field, content))

    def _container(
        self, value: AnyValue, name: str, content: object, depth: int, containers: int
    ) -> None:
        if not isinstance(content, dict):
            raise FieldFault("an object", content)
        container = getattr(value, name)
        container.SetInParent()
        items = content.get("values")
        if items is None:
            return
        if not isinstance(items, list):
            raise FieldFault("an array", items).under(".values")
        for index, item in enumerate(items):
            if item is None:
                item = {}
            try:
                added = container.values.add()
                if name == "array_value":
                    self.any_value(added, item, depth + 1, containers + 1)
                    continue
                if not isinstance(item, dict):
                    raise FieldFault("an object", item)
                self._pair(added, item, depth + 1, containers + 1)
            except FieldFault as fault:
                raise fault.under(f".values[{index}]") from None

    def _pair(self, pair: Any, tree: Mapping[str, object], depth: int, containers: int) -> None:
        key = tree.get("key")
        if key is not None:
            if not isinstance(key, str):
                raise FieldFault("a string", key).under(".key")
            pair.key = key
        value = tree.get("value")
        if value is not None:
            try:
                self.any_value(pair.value, value, depth, containers)
            except FieldFault as fault:
                raise fault.under(".value") from None


def _is_container(tree: Mapping[str, object]) -> bool:
    names = ("arrayValue", "kvlistValue", "array_value", "kvlist_value")
    return any(tree.get(name) is not None for name in names)


def warn_too_deep(tally: Tally) -> None:
    """Count a value that was cut off below the depth that is kept."""
    tally.warn(
        "value_nested_too_deep",
        f"A value is nested deeper than {any_value.CONTAINERS_KEPT} containers; what lies "
        f'deeper is stored as "{any_value.TOO_DEEP}".',
    )


def json_of_request(request: Any) -> bytes:
    """OTLP/JSON text of a request message."""
    return orjson.dumps(_tree(request))


def _tree(message: Any) -> Any:
    if message.DESCRIPTOR is _ANY_VALUE:
        # As finished text: the serializer's own nesting limit is 254, a map costs four.
        return orjson.Fragment(any_value.text_of(message))
    tree: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.is_repeated:
            tree[field.json_name] = [_leaf(field, item) for item in value]
        else:
            tree[field.json_name] = _leaf(field, value)
    return tree


def _leaf(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return _tree(value)
    if field.type in WRITTEN_AS_STRING:
        return str(value)
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return orjson.Fragment(any_value.json_double(value))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return value.hex() if field.name in ID_FIELDS else any_value.base64_text(value)
    return value
