from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.model.signals import Signal
from longpole.storage.journal.frame import (
    HEADER_BYTES,
    MAGIC,
    Frame,
    body_matches,
    encode_header,
    parse_header,
    request_hash,
)

SALT = b"salt"
I64 = st.integers(-(2**63), 2**63 - 1)


def frame(body: bytes = b"body", sequence_number: int = 7) -> Frame:
    return Frame(sequence_number, Signal.LOGS, 1_700_000_000_000_000_000,
                 request_hash(Signal.LOGS, body), body, True)  # fmt: skip


@given(st.integers(1, 2**40 - 1), st.sampled_from(Signal), I64, st.binary(max_size=200),
       st.booleans(), st.binary(min_size=4, max_size=4), st.integers(0, 2**40))  # fmt: skip
def test_a_header_reads_back_as_it_was_written(
    number: int, signal: Signal, arrival: int, body: bytes, has_time: bool, salt: bytes, back: int
) -> None:
    sent = Frame(number, signal, arrival, request_hash(signal, body), body, has_time)
    previous = max(0, number - 1 - back)
    raw = encode_header(sent, salt, previous)
    header = parse_header(raw)
    assert header is not None
    assert header.with_body(body) == sent
    assert header.salt == salt
    assert header.body_bytes == len(body)
    assert header.previous in (previous, 0)  # 0: too far back to be written down
    assert body_matches(raw, body)


def test_a_header_is_64_bytes_and_begins_with_the_magic() -> None:
    raw = encode_header(frame(), SALT, 6)
    assert len(raw) == HEADER_BYTES == 64
    assert raw.startswith(MAGIC)


@pytest.mark.parametrize("bit", [0, 3, 7])
@pytest.mark.parametrize("at", range(HEADER_BYTES))
def test_a_flipped_bit_anywhere_in_the_header_is_noticed(at: int, bit: int) -> None:
    raw = bytearray(encode_header(frame(), SALT, 6))
    raw[at] ^= 1 << bit
    assert parse_header(bytes(raw)) is None or not body_matches(bytes(raw), b"body")


def test_a_flipped_bit_in_the_body_is_noticed() -> None:
    raw = encode_header(frame(b"x" * 99), SALT, 6)
    assert not body_matches(raw, b"x" * 50 + b"y" + b"x" * 48)


def test_equal_bodies_of_different_signals_are_different_requests() -> None:
    assert request_hash(Signal.LOGS, b"same") != request_hash(Signal.TRACES, b"same")
