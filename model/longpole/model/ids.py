"""Trace and span ids: Python integers inside the house, lower-case hex at its edges.

A trace id is one 128-bit integer in objects and the pair (`trace_hi`, `trace_lo`) of
unsigned 64-bit integers in columns. A span id is 64 bits. Zero is never a valid id; as a
parent span id it means "no parent".
"""

from __future__ import annotations

import re

_HEX = re.compile(r"[0-9a-fA-F]+")
_LOW = (1 << 64) - 1


class InvalidId(ValueError):
    """A text that is no trace or span id; the message says what one looks like."""


def trace_id_hex(trace_id: int) -> str:
    """32 lower-case hex digits."""
    return f"{trace_id:032x}"


def span_id_hex(span_id: int) -> str:
    """16 lower-case hex digits."""
    return f"{span_id:016x}"


def split_trace_id(trace_id: int) -> tuple[int, int]:
    """The pair (hi, lo) that columns store."""
    return trace_id >> 64, trace_id & _LOW


def join_trace_id(hi: int, lo: int) -> int:
    """The 128-bit integer of a column pair."""
    return (hi << 64) | lo


def parse_trace_id(text: str) -> int:
    """A trace id as people paste it: 32 hex digits, or 16 as older Zipkin and Jaeger
    clients print them; any case, surrounding blanks and dashes of a UUID are ignored.

    Raises `InvalidId` for anything else and for zero.
    """
    return _parse(text, "trace id", (16, 32))


def parse_short_trace_id(text: str) -> int:
    """A trace id whose leading zeros may be left out, as Jaeger and Tempo take it. Raises
    `InvalidId`, which shows what was typed."""
    digits = text.strip().replace("-", "")
    if len(digits) > 32 or not _HEX.fullmatch(digits):
        raise InvalidId(
            f"{text[:80]!r} is not a trace id: expected 32 hexadecimal digits, or fewer when"
            " leading zeros are left out"
        )
    return parse_trace_id(digits.rjust(32, "0"))


def parse_span_id(text: str) -> int:
    """A span id of 16 hex digits in any case. Raises `InvalidId` otherwise and for zero."""
    return _parse(text, "span id", (16,))


def _parse(text: str, noun: str, lengths: tuple[int, ...]) -> int:
    digits = text.strip().replace("-", "")
    if len(digits) not in lengths or not _HEX.fullmatch(digits):
        wanted = " or ".join(str(length) for length in lengths)
        raise InvalidId(f"{text[:80]!r} is not a {noun}: expected {wanted} hexadecimal digits")
    value = int(digits, 16)
    if value == 0:
        raise InvalidId(f"an all-zero {noun} is not valid")
    return value
