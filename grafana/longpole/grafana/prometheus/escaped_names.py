"""Names with any character in a URL: `U__http_2e_route` is `http.route`.

As `UnescapeName` of Prometheus' common/model: `__` is an underscore, `_2e_` the code point in
hexadecimal digits; a name that was not escaped this way stays what it is.
"""

from __future__ import annotations

import re

_PREFIX = "U__"
_PART = re.compile(r"__|_([0-9a-fA-F]{1,6})_|[^_]+")


def unescaped(name: str) -> str:
    """The name that an escaped one stands for."""
    if not name.startswith(_PREFIX):
        return name
    found: list[str] = []
    at = len(_PREFIX)
    while at < len(name):
        match = _PART.match(name, at)
        if match is None:
            return name
        at = match.end()
        if match[0] == "__":
            found.append("_")
        elif match[1] is None:
            found.append(match[0])
        else:
            point = int(match[1], 16)
            if point > 0x10FFFF or 0xD800 <= point < 0xE000:
                return name
            found.append(chr(point))
    return "".join(found)
