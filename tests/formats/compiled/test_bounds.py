"""No loop reads or writes beyond its arrays, whatever the bytes: compiled with checks, and damaged
requests of every signal."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from longpole.formats.compiled.decoder import by_loops
from longpole.formats.compiled.packed_loops import take_fixed
from longpole.formats.compiled.readiness import load
from longpole.model.signals import Signal
from tests.formats.compiled import test_decoder, test_log_tables, test_metric_tables

WORDS = (b"\xff" * 10, b"\x80" * 9 + b"\x01", b"\x00", b"\xff\xff\xff\xff\x07", b"\x0a", b"\x7f")


def honest() -> list[tuple[Signal, bytes]]:
    """A request of each signal with everything in it."""
    bodies = test_log_tables.BODIES
    return [
        (Signal.TRACES, test_decoder.plain(0, 3).SerializeToString()),
        (Signal.LOGS, test_log_tables.plain(0, bodies).SerializeToString()),
        (Signal.METRICS, test_metric_tables.plain(0).SerializeToString()),
    ]


def damaged(chance: random.Random, body: bytes) -> bytes:
    """Cut, or with bytes that were changed, put in or taken out; mostly so that lengths still
    fit, and the loops come far."""
    if chance.random() < 0.2:
        return body[: chance.randrange(len(body))]
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        at = chance.randrange(len(body))
        new = chance.choice(WORDS) if chance.random() < 0.3 else chance.randbytes(1)
        body = body[:at] + new + body[at + chance.choice([len(new)] * 6 + [0, len(new) + 1]) :]
    return body


def read_damaged(count: int, seed: int) -> None:
    """Ends with an error if a loop goes astray, which takes loops that look."""
    assert load()
    with pytest.raises(IndexError):  # or this shows nothing
        take_fixed(
            np.zeros(16, np.uint8), np.array([[0, 16]]), 0, np.zeros(2, np.int32), np.zeros(1, int)
        )
    chance, read, requests = random.Random(seed), 0, honest()
    for _ in range(count):
        signal, body = chance.choice(requests)
        read += by_loops(signal, damaged(chance, body)) is not None
    print(f"{read} of {count} were read")
    assert 0 < read < count


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_no_loop_goes_beyond_its_arrays(tmp_path: Path) -> None:
    checks = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    code = "from tests.formats.compiled.test_bounds import read_damaged; read_damaged(20_000, 5)"
    subprocess.run([sys.executable, "-c", code], env=os.environ | checks, check=True, timeout=3500)
