"""Well-formed text: a JSON body with half a character in it is refused before anything reads it.

JSON can write one half of a UTF-16 pair (a lone surrogate, `"\\ud800"`), and Python reads it as a
string. No database, header or answer can hold it, so it would come out as a defect somewhere else.
"""

from __future__ import annotations

import json
import re

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Cheap to look for, and without them there is none: an escaped surrogate, one in the bytes of
# UTF-8, or a body in UTF-16 or UTF-32, which JSON may be, too.
_SUSPICIOUS = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]|\x00")


class WellFormedBodies:
    """Refuses a request, where its body is read, with 422 if it is not text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parts: list[bytes] = []

        async def checked() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                parts.append(message.get("body", b""))
                if not message.get("more_body", False):
                    body = b"".join(parts)
                    parts.clear()
                    if not is_well_formed(body):
                        raise HTTPException(422, "The request has a string with half a character.")
            return message

        await self._app(scope, checked, send)


def is_well_formed(body: bytes) -> bool:
    """Whether every string of a JSON body can be written down; True for what is no JSON."""
    if not _SUSPICIOUS.search(body):
        return True
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return True
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    except RecursionError:
        return True
    return True
