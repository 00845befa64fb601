"""Bodies with half a character in them."""

from __future__ import annotations

import json

import pytest

from shop.chassis.well_formed import is_well_formed


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"a": ["\ud800"]}).encode(),
        json.dumps({"\udfff": 1}).encode(),
        b'"\xed\xa0\x80"',
        json.dumps("\ud800", ensure_ascii=False).encode("utf-16-le", "surrogatepass"),
        json.dumps("\\\ud800").encode(),
    ],
)
def test_half_a_character_is_found(body: bytes) -> None:
    assert not is_well_formed(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"a": "\\ud83d\\udd11"}',
        json.dumps("\\ud800").encode(),  # the word, not the character
        "퟿ and 🔑".encode(),
        json.dumps("🔑", ensure_ascii=False).encode("utf-16-le"),
        b"no json \\ud800",
        b"[" * 100_000 + b'"\\ud800"',
        b"\x00\xff",
    ],
)
def test_everything_else_is_left_to_who_reads_it(body: bytes) -> None:
    assert is_well_formed(body)
