"""Telemetry as text that cannot drive a terminal or mislead its reader."""

from __future__ import annotations

import unicodedata

# Marks that reorder what a reader sees, and line breaks that terminals may honour.
_BIDI = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C, 0x2028, 0x2029}

# Stands where an empty name would leave a hole.
NAMELESS = "(no name)"


def inert(text: str, keep_newlines: bool = False) -> str:
    """The text without C0, C1, bidi and surrogate characters: each becomes U+FFFD.

    Tabs and line breaks become blanks, unless `keep_newlines` lets line feeds through.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character, keep_newlines) for character in text)


def _shown(character: str, keep_newlines: bool) -> str:
    if character == "\n" and keep_newlines:
        return character
    if character in "\t\n\r":
        return " "
    if ord(character) in _BIDI or unicodedata.category(character) in ("Cc", "Cs"):
        return "\ufffd"
    return character
