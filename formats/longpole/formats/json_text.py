"""JSON text to Python values, mending what is no Unicode instead of losing the whole batch."""

from __future__ import annotations

import re
from typing import Any

import orjson

from longpole.formats.malformed import MalformedRequest
from longpole.formats.tally import Tally

# One escape sequence at a time from the left, so that an escaped backslash never begins one.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
# Looking at every escape takes about half a microsecond each; batches are smaller than this.
_MOST_ESCAPED_BYTES = 4 << 20


def parse_json(body: bytes, tally: Tally | None = None) -> Any:
    """JSON as Python values. Raises `MalformedRequest` with the place of the fault.

    Bytes that are no UTF-8 and halves of surrogate pairs (an emoji that JavaScript cut in
    two, in bodies up to 4 MiB) become U+FFFD; the tally is told.
    """
    if body[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in body[:4]:
        raise MalformedRequest("The JSON is UTF-16 or UTF-32 text; send UTF-8.")
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        mended = _mended(body)
        if mended == body:
            raise MalformedRequest(f"The body is not JSON: {error}.") from None
    try:
        tree = orjson.loads(mended)
    except orjson.JSONDecodeError as error:
        raise MalformedRequest(f"The body is not JSON: {error}.") from None
    if tally is not None:
        tally.warn(
            "invalid_utf8",
            "Text that is no valid Unicode was found; the bad parts are replaced by U+FFFD.",
        )
    return tree


def _mended(body: bytes) -> bytes:
    try:
        body.decode()
    except UnicodeDecodeError:
        body = body.decode(errors="replace").encode()
    return _ESCAPE.sub(_whole_escape, body) if len(body) <= _MOST_ESCAPED_BYTES else body


def _whole_escape(match: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if match["lone"] else match[0]
