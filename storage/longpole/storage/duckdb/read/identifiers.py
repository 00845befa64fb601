"""Quotes names and texts that come from telemetry, so that SQL cannot mistake them for SQL."""

from __future__ import annotations


def quote_identifier(name: str) -> str:
    """A column or table name in double quotes; any text is a valid name but the empty one.

    DuckDB ends its input at a NUL byte, so NUL is shown as its picture (U+2400).
    """
    return '"' + (name or "?").replace("\0", "\u2400").replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """A string constant in single quotes that is equal to `text`, NUL included."""
    pieces = ["'" + piece.replace("'", "''") + "'" for piece in text.split("\0")]
    return pieces[0] if len(pieces) == 1 else "(" + " || chr(0) || ".join(pieces) + ")"
