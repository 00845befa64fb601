"""Whose request it is, from its first bytes, before anything else of it is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from longpole.formats import wire
from longpole.formats.malformed import MalformedRequest

_MOST_FIELDS = 64
_MOST_JSON_BYTES = 16 << 10
_MOST_NAME_BYTES = 256
_KEY = b"service.name"
_JSON = re.compile(
    rb'"service\.name"\s*,\s*"value"\s*:\s*\{\s*"stringValue"\s*:\s*"([^"\\]{0,256})"'
)


def sender_name(body: bytes, is_json: bool) -> str:
    """The `service.name` of the first resource of an export request of any signal; "" when there
    is none within its first fields. Never raises. In every signal's request the way is the same:
    its first group, that group's resource, its attributes, all by field 1."""
    if is_json:
        found = _JSON.search(body, 0, _MOST_JSON_BYTES)
        return found[1].decode("utf-8", "replace") if found else ""
    try:
        for begin, end in _parts(body, 0, len(body)):
            for first, last in _parts(body, begin, end):
                for at, stop in _parts(body, first, last):
                    name = _value(body, at, stop)
                    if name is not None:
                        return name.decode("utf-8", "replace")
                break
            break
    except MalformedRequest:
        pass
    return ""


def _parts(body: bytes, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the contents of field 1 are, among the first fields of a message."""
    for number, kind, _, content, stop in islice(wire.fields(body, begin, end), _MOST_FIELDS):
        if number == 1 and kind == wire.BYTES:
            yield content, stop


def _value(body: bytes, begin: int, end: int) -> bytes | None:
    """The text of a KeyValue whose key is `service.name`."""
    is_name = False
    for number, kind, _, content, stop in islice(wire.fields(body, begin, end), 2):
        if number == 1 and kind == wire.BYTES:
            is_name = body[content:stop] == _KEY
        elif number == 2 and kind == wire.BYTES and is_name:
            for at, to in _parts(body, content, stop):
                return body[at : min(to, at + _MOST_NAME_BYTES)]
    return None
