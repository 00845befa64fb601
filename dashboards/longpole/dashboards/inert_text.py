"""Telemetry as text that cannot drive a terminal or mislead its reader."""

from __future__ import annotations

import re

# Control characters and surrogates (Unicode's categories Cc and Cs), marks that reorder what a
# reader sees, and line breaks that terminals may honour.
_MARKED = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff"
    r"\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)

# Stands where an empty name would leave a hole.
NAMELESS = "(no name)"


def inert(text: str, keep_newlines: bool = False) -> str:
    """The text without C0, C1, bidi and surrogate characters: each becomes U+FFFD.

    Tabs and line breaks become blanks, unless `keep_newlines` lets line feeds through.
    """
    if text.isascii() and text.isprintable():
        return text

    def shown(found: re.Match[str]) -> str:
        character = found.group()
        if character == "\n" and keep_newlines:
            return character
        return " " if character in "\t\n\r" else "\ufffd"

    return _MARKED.sub(shown, text)
