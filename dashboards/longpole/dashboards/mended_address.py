"""Where a refused address leads once what was wrong with it is left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlencode

# The messages of `BadQuestion` name the parameter, first of all or in quotes.
_BLAMED = (re.compile(r"([a-z_]{1,40}): "), re.compile(r"there is no parameter '([^']{1,80})'"))
_TIME = frozenset({"since", "from", "to"})
LONGEST = 2_000


def mended_address(path: str, given: Sequence[tuple[str, str]], message: str) -> tuple[str, str]:
    """The address without the parameter that a refusal blames, and the name of that; without all
    times where these do not fit together. Empty where none is to blame alone."""
    found = next((match for one in _BLAMED if (match := one.match(message))), None)
    blamed = {found[1]} if found else set()
    name = found[1] if found else ""
    if "time range" in message or message.startswith("since and from"):
        blamed, name = set(_TIME), "time"
    rest = [(key, value) for key, value in given if key not in blamed]
    if len(rest) == len(given):
        return "", ""
    query = urlencode([(key, value) for key, value in rest if value])
    if len(query) > LONGEST:
        return "", ""
    return (f"{path}?{query}" if query else path), name
